"""Routing plugins: what C{--route NAME:ARGUMENT} names, put around the rest of the tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from traceback import extract_tb

from twisted.plugin import getPlugins
from twisted.python.reflect import InvalidName, namedAny

from sipoutbound.interfaces import IRouter, IRouterMaker
from sipoutbound.mistake import Mistake

MakeRouter = Callable[[str | None, IRouter], IRouter]


def makers() -> list[IRouterMaker]:
    """
    @return: the makers of routers that are installed as plugins, by name.
    """
    return sorted(getPlugins(IRouterMaker), key=lambda maker: maker.name)


def routers(
    specs: Sequence[tuple[str, str | None]],
    innermost: IRouter,
    known: Iterable[IRouterMaker] | None = None,
) -> IRouter:
    """
    Compose the routers that were asked for.

    @param specs: the name and argument of each, the outermost first.
    @param innermost: what stands behind all of them.
    @param known: the makers to choose from; the installed ones by default.
    @return: the outermost router, or C{innermost} if none was asked for.
    @raise Mistake: when a name or an argument is wrong.
    """
    if not specs:
        return innermost
    byName = {maker.name: maker for maker in (makers() if known is None else known)}
    router = innermost
    for name, argument in reversed(specs):
        router = _around(router, name, argument, byName)
    return router


def _around(
    inner: IRouter, name: str, argument: str | None, known: dict[str, IRouterMaker]
) -> IRouter:
    make = known[name].makeRouter if name in known else _named(name, sorted(known))
    try:
        router = make(argument, inner)
    except ValueError as error:
        given = "" if argument is None else f":{argument}"
        raise Mistake(f"--route {name}{given}: {error}") from error
    except Exception as error:  # whatever a plugin that is not yet right does
        raise Mistake(f"--route {name}: {_told(error)}") from error
    if not IRouter.providedBy(router):
        raise Mistake(f"--route {name}: must make an IRouter, but made {router!r}")
    return router


def _named(name: str, known: list[str]) -> MakeRouter:
    """
    @param name: the dotted Python name of a callable that takes the argument and the inner router.
    @param known: the names of the plugins, for the complaint.
    @return: the callable.
    @raise Mistake: when there is none.
    """
    choice = f"known: {', '.join(known) or 'none'}; or say the dotted Python name of one"
    if "." not in name:
        raise Mistake(f"--route {name}: no such routing plugin; {choice}")
    try:
        make: MakeRouter = namedAny(name)
    except InvalidName as error:
        raise Mistake(f"--route {name}: nothing has that Python name; {choice}") from error
    except Exception as error:  # whatever happens in a module of the operator's while it is read
        raise Mistake(f"--route {name}: {_told(error)}") from error
    if not callable(make):
        raise Mistake(f"--route {name}: must be callable with an argument and the inner router")
    return make


def _told(error: Exception) -> str:
    """
    @return: what happened and where, on one line.
    """
    last = extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({last.filename}, line {last.lineno})"
