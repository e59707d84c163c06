"""
The core of a user agent: requests that come, requests that go, and the dialogs between them
(RFC 3261 8, 12, 13, 15).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from inspect import isawaitable
from typing import Final

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from zope.interface import implementer

from sipoutbound.agent.acceptance import Acceptance
from sipoutbound.agent.account import Draft, Way
from sipoutbound.agent.dialog import Dialog, FinalResponse, Key, keyOf
from sipoutbound.agent.incoming import Answer, Answering, Incoming
from sipoutbound.agent.invitation import Invitation
from sipoutbound.agent.net import Net
from sipoutbound.agent.reply import Reply, octetsOf
from sipoutbound.agent.sending import NoAnswer, sent
from sipoutbound.agent.ways import Ways
from sipoutbound.interfaces import IFlow, IServerTransaction, ITransactionUser, Unreachable
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.message import Request, Response
from sipoutbound.message.stateless import stateless
from sipoutbound.message.trying import trying
from sipoutbound.message.unique import unique
from sipoutbound.transaction.matching import serverKey
from sipoutbound.transaction.timers import T1

log = Logger()

# RFC 5626, RFC 3327: what a request may require of us.
_EXTENSIONS: Final = (b"outbound", b"path")

# Seconds in which a copy of a request may come over another flow: 64*T1, what the transaction of
# whoever has sent it takes at most.
_COPIES: Final = 64 * T1

_ALLOW: Final = (("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS"),)


@implementer(ITransactionUser)
@define(eq=False, repr=False)
class Core:
    """
    @ivar answering: the program's callback.
    """

    net: Net
    ways: Ways
    answering: Answering
    _dialogs: dict[Key, Dialog] = field(factory=dict, init=False)
    _acceptances: dict[Key, Acceptance] = field(factory=dict, init=False)
    _seen: dict[Key, object] = field(factory=dict, init=False)

    # What comes

    def received(self, transaction: IServerTransaction) -> None:
        """
        A new request other than ACK and CANCEL.
        """
        request = transaction.request
        try:
            dialog = self._dialogs.get(keyOf(request)) if request.inDialog else None
            status = self._refusal(request, dialog)
        except Malformed as error:
            transaction.respond(Response.reply(request, error.status, error.reason, (), unique()))
            return
        incoming = Incoming(request, dialog, transaction, self.net.account)
        if status is not None:
            transaction.respond(incoming.response(*status))
        elif request.method == b"BYE" and dialog is not None:
            transaction.respond(incoming.response(200, []))
            dialog.end()
        else:
            self._ask(incoming, transaction)

    def _refusal(
        self, request: Request, dialog: Dialog | None
    ) -> tuple[int, list[tuple[bytes, bytes]]] | None:
        """
        What is answered without asking anybody (RFC 3261 8.2.2, 12.2.2).
        """
        if not request.inDialog and self._isCopy(request):
            return 482, []
        unknown = [tag for tag in request.all(b"require") if tag.lower() not in _EXTENSIONS]
        if unknown:
            return 420, [(b"Unsupported", b", ".join(unknown))]
        if request.inDialog and dialog is None:
            return 481, []
        if dialog is not None:
            if request.cseq.number <= dialog.remoteNumber:
                return 500, []
            dialog.remoteNumber = request.cseq.number
        return None

    def _isCopy(self, request: Request) -> bool:
        """
        Whether a request has come over another of our flows already: some registrars call all flows
        of a client at once (RFC 3261 8.2.2.2).
        """
        common = (request.callId, request.need(b"from"), request.need(b"cseq"))
        own = serverKey(request)
        if common not in self._seen:
            self._seen[common] = own
            self.net.stack.later(_COPIES, self._forget, common)
        return self._seen[common] != own

    def _forget(self, common: Key) -> None:
        del self._seen[common]

    def _ask(self, incoming: Incoming, transaction: IServerTransaction) -> None:
        """
        Have the program answer. An INVITE gets its 100 at once, and may be cancelled.
        """
        answering = Deferred.fromCoroutine(self._answer(incoming, transaction))
        if incoming.message.method == b"INVITE" and not answering.called:
            transaction.respond(trying(incoming.message))

            def cancelled() -> None:
                transaction.respond(incoming.response(487, []))
                answering.cancel()

            transaction.cancelled = cancelled

    async def _answer(self, incoming: Incoming, transaction: IServerTransaction) -> None:
        try:
            answer = self.answering(incoming)
            final = await answer if isawaitable(answer) else answer
            reply = _replyOf(final, incoming)
            response = incoming.response(
                reply.status, octetsOf(reply.headers), reply.body, reply.reason
            )
        except CancelledError:
            return
        except Exception:
            log.failure("a {method} was not answered", method=incoming.method)
            response = incoming.response(500, [])
        self._respond(incoming, transaction, response)

    def _respond(
        self, incoming: Incoming, transaction: IServerTransaction, response: Response
    ) -> None:
        request = incoming.message
        if request.method != b"INVITE" or response.status >= 300:
            transaction.respond(response)
            return
        try:
            dialog = self._dialogOf(incoming, transaction.flow)
        except Malformed as error:
            transaction.respond(incoming.response(400, [], b"", error.reason))
            return
        acceptance = Acceptance(
            self.net.stack, transaction, response, request.cseq.number,
            lambda: self._unacknowledged(dialog),
        )  # fmt: skip
        self._acceptances[dialog.key] = acceptance
        acceptance.begin()

    def _dialogOf(self, incoming: Incoming, flow: IFlow) -> Dialog:
        """
        The dialog that an INVITE is accepted in.
        """
        if incoming.dialog is None:
            incoming.dialog = Dialog.ofCallee(incoming.message, incoming.tag, flow, self)
            self.established(incoming.dialog)
        else:
            incoming.dialog.refreshed(incoming.message)
        return incoming.dialog

    def unmatched(self, request: Request, flow: IFlow, back: IFlow) -> None:
        """
        A CANCEL of nothing that is known here (RFC 3261 9.2).
        """
        back.send(bytes(stateless(request, 481)))

    def acknowledged(self, request: Request, flow: IFlow) -> None:
        """
        An ACK for a 2xx.
        """
        key = keyOf(request)
        acceptance = self._acceptances.get(key)
        if acceptance is not None and acceptance.number == request.cseq.number:
            acceptance.stop()
            del self._acceptances[key]

    def _unacknowledged(self, dialog: Dialog) -> None:
        """
        RFC 3261 13.3.1.4: without an ACK the call is not to be.
        """
        if not dialog.ended:
            dialog.bye().addErrback(lambda failure: None)

    # What goes

    def ask(
        self,
        draft: Draft,
        ways: AsyncIterator[Way],
        provisional: Callable[[Response], None] | None,
    ) -> Deferred[FinalResponse]:
        """
        Send a request outside of dialogs.
        """
        return Deferred.fromCoroutine(self._asked(draft, ways, provisional, Invitation(self)))

    async def _asked(
        self,
        draft: Draft,
        ways: AsyncIterator[Way],
        provisional: Callable[[Response], None] | None,
        invitation: Invitation,
    ) -> FinalResponse:
        accepted = invitation.accepted if draft.method == b"INVITE" else None
        response = await sent(self.net, draft, ways, provisional, accepted)
        return FinalResponse(response, invitation.dialog)

    def within(self, dialog: Dialog, draft: Draft) -> Deferred[FinalResponse]:
        """
        Send a request within a dialog.
        """
        return Deferred.fromCoroutine(self._within(dialog, draft))

    async def _within(self, dialog: Dialog, draft: Draft) -> FinalResponse:
        """
        RFC 3261 12.2.1.2: who does not know the dialog any more, or does not answer, has ended it.
        """
        ways = self.ways.towards(dialog.nextHop, dialog.flow)
        try:
            final = await self._asked(draft, ways, None, Invitation(self, dialog))
        except NoAnswer:
            dialog.end()
            raise
        if final.status in (408, 481):
            dialog.end()
        return final

    def acknowledge(self, dialog: Dialog, number: int) -> None:
        """
        Send the ACK for a 2xx. It is not answered: when it is lost, the 2xx comes again.
        """
        acknowledging = Deferred.fromCoroutine(self._acknowledge(dialog, number))
        acknowledging.addErrback(
            lambda failure: log.info("an ACK is lost: {why}", why=failure.getErrorMessage())
        )

    async def _acknowledge(self, dialog: Dialog, number: int) -> None:
        draft = dialog.draft(b"ACK", number, [])
        async for way in self.ways.towards(dialog.nextHop, dialog.flow):
            request, _ = draft.over(way, self.net.account)
            way.flow.send(bytes(request))
            return
        raise Unreachable(f"no way to {dialog.nextHop}")

    # Dialogs

    def established(self, dialog: Dialog) -> None:
        """
        There is a new dialog.
        """
        self._dialogs[dialog.key] = dialog

    def ended(self, dialog: Dialog) -> None:
        """
        Forget a dialog.
        """
        self._dialogs.pop(dialog.key, None)
        acceptance = self._acceptances.pop(dialog.key, None)
        if acceptance is not None:
            acceptance.stop()

    def stop(self) -> None:
        """
        All dialogs are over, without a word, and no more flows are made.
        """
        self.ways.close()
        for dialog in tuple(self._dialogs.values()):
            dialog.end()


def _replyOf(answer: Answer, incoming: Incoming) -> Reply:
    """
    What a program's answer means. What is not its business is refused, but OPTIONS: that asks what
    we can do (RFC 3261 11.2).
    """
    if isinstance(answer, Reply):
        return answer
    if answer is not None:
        return Reply(answer)
    return Reply(200 if incoming.method == "OPTIONS" else 405, headers=_ALLOW)
