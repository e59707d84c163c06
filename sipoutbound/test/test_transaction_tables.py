"""
The four tables of transactions, against the figures of RFC 3261 17 and RFC 6026, arrow by arrow.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.transaction.client import CLIENT, INVITE_CLIENT, clientMachine
from sipoutbound.transaction.machine import (
    Action,
    Actions,
    Event,
    Input,
    Machine,
    State,
    Table,
    eventOf,
)
from sipoutbound.transaction.server import INVITE_SERVER, SERVER, serverMachine
from sipoutbound.transaction.timers import NEVER, Timer, duration

# Each line is an arrow: where from, the event, the action, where to. Without an arrow nothing is
# done.

# RFC 6026 figure 7; timers from RFC 3261 17.2.1 (G, H, I) and RFC 6026 7.1 (L); that the TU is told
# of timer H from RFC 3261 17.2.1.
INVITE_SERVER_FIGURE = """
Proceeding | INVITE         | send response again           | Proceeding
Proceeding | 1xx            | send response                 | Proceeding
Proceeding | 2xx            | send response, set L          | Accepted
Proceeding | 300-699        | send response, set G, set H   | Completed
Proceeding | Transport Err. | inform TU                     | Proceeding
Accepted   | ACK            | to TU                         | Accepted
Accepted   | 2xx            | send response                 | Accepted
Accepted   | Transport Err. | inform TU                     | Accepted
Accepted   | Timer L        | end                           | Terminated
Completed  | INVITE         | send response again           | Completed
Completed  | Timer G        | reset, send response again    | Completed
Completed  | Transport Err. | inform TU                     | Completed
Completed  | ACK            | stop, set I                   | Confirmed
Completed  | Timer H        | tell TU of timeout, end       | Terminated
Confirmed  | Timer I        | end                           | Terminated
"""

# RFC 3261 figure 8, its transport errors as RFC 6026 8.8: inform the TU, remain in the state.
SERVER_FIGURE = """
Trying     | 1xx            | send response                 | Proceeding
Trying     | 2xx            | send response, set J          | Completed
Trying     | 300-699        | send response, set J          | Completed
Trying     | Transport Err. | inform TU                     | Trying
Proceeding | Request        | send response again           | Proceeding
Proceeding | 1xx            | send response                 | Proceeding
Proceeding | 2xx            | send response, set J          | Completed
Proceeding | 300-699        | send response, set J          | Completed
Proceeding | Transport Err. | inform TU                     | Proceeding
Completed  | Request        | send response again           | Completed
Completed  | Transport Err. | inform TU                     | Completed
Completed  | Timer J        | end                           | Terminated
"""

# RFC 6026 figure 5, timers from RFC 3261 17.1.1.2 and RFC 6026 7.2. Transport Err. in Proceeding:
# RFC 3261 17.1.4. Abandon: RFC 3261 9.1, no final response 64*T1 after the CANCEL.
INVITE_CLIENT_FIGURE = """
Calling    | INVITE         | set A, set B, send request    | Calling
Calling    | Timer A        | reset, send request again     | Calling
Calling    | Timer B        | tell TU of timeout, end       | Terminated
Calling    | Transport Err. | inform TU, end                | Terminated
Calling    | 1xx            | stop, to TU                   | Proceeding
Calling    | 2xx            | stop, set M, to TU            | Accepted
Calling    | 300-699        | stop, to TU, set D, ACK sent  | Completed
Proceeding | 1xx            | to TU                         | Proceeding
Proceeding | 2xx            | set M, to TU                  | Accepted
Proceeding | 300-699        | to TU, set D, ACK sent        | Completed
Proceeding | Transport Err. | inform TU, end                | Terminated
Proceeding | Abandon        | tell TU of timeout, end       | Terminated
Completed  | 300-699        | ACK sent                      | Completed
Completed  | Transport Err. | inform TU, end                | Terminated
Completed  | Timer D        | end                           | Terminated
Accepted   | 2xx            | to TU                         | Accepted
Accepted   | Timer M        | end                           | Terminated
"""

# RFC 3261 figure 6, timers from 17.1.2.2.
CLIENT_FIGURE = """
Trying     | Request        | set E, set F, send request    | Trying
Trying     | Timer E        | reset, send request again     | Trying
Trying     | Timer F        | tell TU of timeout, end       | Terminated
Trying     | Transport Err. | inform TU, end                | Terminated
Trying     | 1xx            | to TU                         | Proceeding
Trying     | 2xx            | stop, to TU, set K            | Completed
Trying     | 300-699        | stop, to TU, set K            | Completed
Proceeding | Timer E        | reset to T2, send request again | Proceeding
Proceeding | Timer F        | tell TU of timeout, end       | Terminated
Proceeding | Transport Err. | inform TU, end                | Terminated
Proceeding | 1xx            | to TU                         | Proceeding
Proceeding | 2xx            | stop, to TU, set K            | Completed
Proceeding | 300-699        | stop, to TU, set K            | Completed
Completed  | Timer K        | end                           | Terminated
"""

EVENTS: dict[str, Input] = {
    "INVITE": Event.REQUEST,
    "Request": Event.REQUEST,
    "ACK": Event.ACK,
    "1xx": Event.PROVISIONAL,
    "2xx": Event.SUCCESS,
    "300-699": Event.FAILURE,
    "Transport Err.": Event.TRANSPORT_ERROR,
    "Abandon": Event.ABANDON,
    **{f"Timer {timer.name}": timer for timer in Timer},
}

ACTIONS: dict[str, Action | Timer] = {
    "send response": Action.SEND,
    "send request": Action.SEND,
    "send response again": Action.RESEND,
    "send request again": Action.RESEND,
    "ACK sent": Action.ACK,
    "to TU": Action.PASS,
    "inform TU": Action.REPORT_ERROR,
    "tell TU of timeout": Action.REPORT_TIMEOUT,
    "reset": Action.AGAIN,
    "reset to T2": Action.AGAIN_AT_T2,
    "stop": Action.STOP,
    "end": Action.DESTROY,
    **{f"set {timer.name}": timer for timer in Timer},
}


def arrows(figure: str) -> dict[tuple[State, Input], tuple[State, Actions]]:
    """
    Read a figure.
    """
    read: dict[tuple[State, Input], tuple[State, Actions]] = {}
    for line in figure.strip().splitlines():
        source, event, actions, target = (cell.strip() for cell in line.split("|"))
        row = State(target), tuple(ACTIONS[action] for action in actions.split(", "))
        read[State(source), EVENTS[event]] = row
    return read


class FigureCase(SynchronousTestCase):
    """
    What the tests of the four tables share.
    """

    def follows(self, table: Table, figure: str, states: str, inputs: str) -> None:
        """
        Check every state with every input, and that the table has no row beside these.

        @param states: their names.
        @param inputs: their words, with commas.
        """
        expected = arrows(figure)
        self.assertEqual(len(expected), len(figure.strip().splitlines()))
        for state in map(State, states.split()):
            for word in inputs.split(", "):
                machine = Machine(table, state)
                actions = machine.step(EVENTS[word])
                wanted = expected.pop((state, EVENTS[word]), (state, ()))
                self.assertEqual((machine.state, actions), wanted, f"{state.value}: {word}")
        self.assertEqual(expected, {}, "arrows that were not tried")
        self.assertEqual(len(table), len(states.split()) * len(inputs.split(", ")))


class TableTests(FigureCase):
    """
    The tables of L{sipoutbound.transaction.server} and L{sipoutbound.transaction.client}.
    """

    def test_inviteServer(self) -> None:
        """
        A caller's INVITE would be rung twice, its answer lost or repeated for ever, or its ACK
        swallowed.
        """
        self.follows(
            INVITE_SERVER,
            INVITE_SERVER_FIGURE,
            "Proceeding Accepted Completed Confirmed Terminated",
            "INVITE, ACK, 1xx, 2xx, 300-699, Transport Err., Timer G, Timer H, Timer I, Timer L",
        )

    def test_server(self) -> None:
        """
        A registration repeated because its answer got lost would be carried out again, or be left
        without the answer it repeats for.
        """
        self.follows(
            SERVER,
            SERVER_FIGURE,
            "Trying Proceeding Completed Terminated",
            "Request, 1xx, 2xx, 300-699, Transport Err., Timer J",
        )

    def test_inviteClient(self) -> None:
        """
        A callee would get no repetition of a lost INVITE, no ACK for its refusal, or the caller
        nothing of a second answer.
        """
        self.follows(
            INVITE_CLIENT,
            INVITE_CLIENT_FIGURE,
            "Calling Proceeding Accepted Completed Terminated",
            "INVITE, 1xx, 2xx, 300-699, Transport Err., Abandon, "
            "Timer A, Timer B, Timer D, Timer M",
        )

    def test_client(self) -> None:
        """
        A MESSAGE lost on the way would not be repeated, or its answer be passed on twice.
        """
        self.follows(
            CLIENT,
            CLIENT_FIGURE,
            "Trying Proceeding Completed Terminated",
            "Request, 1xx, 2xx, 300-699, Transport Err., Timer E, Timer F, Timer K",
        )

    def test_foreignInput(self) -> None:
        """
        A mistake in the stack, such as an ACK fed to a registration, would go unseen.
        """
        self.assertRaises(KeyError, serverMachine(b"REGISTER").step, Event.ACK)


class MachineTests(SynchronousTestCase):
    """
    Machines for methods, inputs for status codes.
    """

    def test_serverMachine(self) -> None:
        """
        An INVITE would be treated as a REGISTER, or the other way round.
        """
        for method, table, state in (
            (b"INVITE", INVITE_SERVER, State.PROCEEDING),
            (b"REGISTER", SERVER, State.TRYING),
            (b"invite", SERVER, State.TRYING),
        ):
            machine = serverMachine(method)
            self.assertIs(machine.table, table)
            self.assertIs(machine.state, state)

    def test_clientMachine(self) -> None:
        """
        An INVITE would be sent as a MESSAGE is, or the other way round.
        """
        for method, table, state in (
            (b"INVITE", INVITE_CLIENT, State.CALLING),
            (b"MESSAGE", CLIENT, State.TRYING),
        ):
            machine = clientMachine(method)
            self.assertIs(machine.table, table)
            self.assertIs(machine.state, state)

    def test_eventOf(self) -> None:
        """
        A redirection or a 600 would count as something else than a final refusal.
        """
        for first, last, event in (
            (100, 199, Event.PROVISIONAL),
            (200, 299, Event.SUCCESS),
            (300, 699, Event.FAILURE),
        ):
            for status in range(first, last + 1):
                self.assertIs(eventOf(status), event, str(status))


# Where the TU, and no timer, decides when a transaction goes on: the server transactions until it
# answers, and an INVITE that had a 1xx (RFC 3261 16.8: timer C is the proxy's).
WAITING = {
    (id(INVITE_SERVER), State.PROCEEDING),
    (id(SERVER), State.TRYING),
    (id(SERVER), State.PROCEEDING),
    (id(INVITE_CLIENT), State.PROCEEDING),
}

Reached = tuple[State, frozenset[Timer]]


def perform(running: frozenset[Timer], event: Input, actions: Actions) -> frozenset[Timer]:
    """
    Which timers run after the actions, over an unreliable transport.
    """
    left = {timer for timer in running if timer is not event}
    for action in actions:
        if isinstance(action, Timer):
            left.add(action)
        elif action in (Action.AGAIN, Action.AGAIN_AT_T2):
            assert isinstance(event, Timer)
            left.add(event)
        elif action in (Action.STOP, Action.DESTROY):
            left.clear()
    return frozenset(left)


def reachable(start: Machine, begin: Input | None) -> set[Reached]:
    """
    Every state with the timers that can run in it.
    """
    first: frozenset[Timer] = frozenset()
    if begin is not None:
        first = perform(first, begin, start.step(begin))
    found, todo = set[Reached](), [(start.state, first)]
    while todo:
        node = todo.pop()
        if node in found:
            continue
        found.add(node)
        for state, event in start.table:
            if state is node[0] and event is not begin and _possible(event, node[1]):
                machine = Machine(start.table, state)
                actions = machine.step(event)
                todo.append((machine.state, perform(node[1], event, actions)))
    return found


def _possible(event: Input, running: frozenset[Timer]) -> bool:
    return event in running if isinstance(event, Timer) else True


class TimerUseTests(SynchronousTestCase):
    """
    What the tables do with timers, found by going through all that can happen.
    """

    machines = (
        (serverMachine(b"INVITE"), None),
        (serverMachine(b"BYE"), None),
        (clientMachine(b"INVITE"), Event.REQUEST),
        (clientMachine(b"BYE"), Event.REQUEST),
    )

    def test_alwaysEnds(self) -> None:
        """
        Transactions would stay in memory for ever.
        """
        for machine, begin in self.machines:
            for state, running in reachable(machine, begin):
                ends = [t for t in running if machine.table[state, t][0] is State.TERMINATED]
                if state is State.TERMINATED or (id(machine.table), state) in WAITING:
                    continue
                self.assertEqual(len(ends), 1, f"{state} {running}")

    def test_noneLeftRunning(self) -> None:
        """
        Thousands of timers would be pending that do nothing when they fire, and keep their
        transactions in memory.
        """
        for machine, begin in self.machines:
            for state, running in reachable(machine, begin):
                for timer in running:
                    self.assertTrue(machine.table[state, timer][1], f"{state} {timer}")

    def test_destroyed(self) -> None:
        """
        A transaction that has ended would still be found by its key.
        """
        for machine, _ in self.machines:
            for (state, event), (after, actions) in machine.table.items():
                ended = after is State.TERMINATED and state is not State.TERMINATED
                self.assertEqual(Action.DESTROY in actions, ended, f"{state} {event}")
                self.assertEqual(actions[-1:] == (Action.DESTROY,), ended, f"{state} {event}")

    def test_zeroTimersLast(self) -> None:
        """
        Over TCP a transaction would end before it has sent its answer. Only an ACK may come after
        the end.
        """
        for machine, _ in self.machines:
            for key, (_, actions) in machine.table.items():
                for at, action in enumerate(actions):
                    if isinstance(action, Timer) and duration(action, True) == 0.0:
                        self.assertIn(actions[at + 1 :], ((), (Action.ACK,)), f"{key}")

    def test_ackLast(self) -> None:
        """
        A refusal that can't be acknowledged would keep its INVITE in memory for ever.
        """
        for key, (_, actions) in INVITE_CLIENT.items():
            if Action.ACK in actions:
                self.assertIs(actions[-1], Action.ACK, f"{key}")
                self.assertEqual(Timer.D in actions, key[0] is not State.COMPLETED, f"{key}")

    def test_sendingLast(self) -> None:
        """
        Timers would be started for a transaction that has just ended because its request could not
        be sent, and keep it in memory for half a minute.
        """
        sends = {Action.SEND, Action.RESEND, Action.ACK}
        for table in (INVITE_CLIENT, CLIENT):
            for key, (_, actions) in table.items():
                at = next((n for n, action in enumerate(actions) if action in sends), len(actions))
                self.assertEqual(actions[at + 1 :], (), f"{key}")

    def test_repeatingTimersUnreliableOnly(self) -> None:
        """
        Requests and answers would be repeated over TCP.
        """
        repeating = set()
        for machine, _ in self.machines:
            for (_, event), (_, actions) in machine.table.items():
                if Action.AGAIN in actions or Action.AGAIN_AT_T2 in actions:
                    repeating.add(event)
        never = {timer for timer in Timer if duration(timer, True) == NEVER}
        self.assertEqual(repeating, never)
