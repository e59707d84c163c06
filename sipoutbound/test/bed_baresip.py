"""
baresip, a real outbound client (RFC 5626 over UDP and TCP), run without a sound card.
"""

from __future__ import annotations

import json
import re
import sys
import wave
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field

from sipoutbound.test.bed import LOOPBACK, Loopback
from sipoutbound.test.bed_program import Program

CONFIG = """\
sip_listen {host}:{port}
net_interface {host}
rtp_ports {rtp}-{rtpEnd}
module_path {modules}
module g711.so
module aufile.so
module aubridge.so
module_tmp uuid.so
module_tmp account.so
module_app contact.so
module_app debug_cmd.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {loopback}:{control}
audio_source aufile,{sound}
audio_player aubridge,sink
"""

ACCOUNT = (
    "<sip:{user}@example.test;transport={transport}>;auth_pass=none"
    ';outbound="sip:{first};transport={transport}"'
    ';outbound2="sip:{second};transport={transport}"'
    ";sipnat=outbound;regint=600;answermode=auto;audio_codecs=PCMU\n"
)


@define(eq=False)
class Baresip:
    """
    One user with one instance and two flows: reg-id 1 to the first proxy, reg-id 2 to the second.
    It answers every call.

    @ivar user: the user part of its address of record, in the domain example.test.
    @ivar transport: C{udp} or C{tcp}.
    @ivar port: where it listens for SIP.
    @ivar servers: C{HOST:PORT} of the two proxies.
    @ivar folder: its configuration; made if it is not there.
    @ivar host: its address.
    """

    user: str
    transport: str
    port: int
    servers: Sequence[str]
    folder: Path
    network: Loopback
    host: str = LOOPBACK
    phone: Program = field(init=False)
    control: Program = field(init=False)
    _started: list[Program] = field(factory=list, init=False)

    @property
    def controlPort(self) -> int:
        """
        Where its control program dials it: outside the range in which that is forbidden.
        """
        return self.port + 1000

    def start(self) -> Baresip:
        """
        Start it and the program that controls it.

        @return: itself.
        """
        self._configure()
        self.phone = self._program(["stdbuf", "-oL", "baresip", "-4", "-s", "-f", str(self.folder)])
        relay = "sipoutbound.test.bed_control"
        self.control = self._program([sys.executable, "-m", relay, str(self.controlPort)])
        self.control.expect("connected")
        return self

    def _program(self, argv: Sequence[str]) -> Program:
        program = Program(argv, self.network, {"HOME": str(self.folder)})
        program.start()
        self._started.append(program)
        return program

    def _configure(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        sound = self.folder / "silence.wav"
        writeSilence(sound)
        rtp = self.port + 10000
        config = CONFIG.format(
            host=self.host, port=self.port, loopback=LOOPBACK, control=self.controlPort,
            modules=moduleFolder(), rtp=rtp, rtpEnd=rtp + 3, sound=sound,
        )  # fmt: skip
        account = ACCOUNT.format(
            user=self.user, transport=self.transport,
            first=self.servers[0], second=self.servers[1],
        )  # fmt: skip
        (self.folder / "config").write_text(config)
        (self.folder / "accounts").write_text(account)
        (self.folder / "contacts").write_text("")

    def registered(self, regId: int) -> int:
        """
        Wait until a flow is registered.

        @return: how many bindings the 200 listed.
        """
        said = rf"{self.user}@example.test: \{{{regId}/.*}} 200 OK .*\[(\d+) bindings?\]"
        return int(self.phone.expect(said)[1])

    def dial(self, user: str) -> None:
        """
        Call somebody of the same domain.
        """
        self._command("dial", f"sip:{user}@example.test")

    def hangUp(self) -> None:
        """
        End the call.
        """
        self._command("hangup", "")

    def _command(self, command: str, parameters: str) -> None:
        self.control.say(json.dumps({"command": command, "params": parameters}))

    def expectCall(self, event: str, since: int = 0) -> None:
        """
        Wait for what happens to a call.

        @param event: C{ESTABLISHED} or C{CLOSED}.
        @param since: a mark of L{control}.
        """
        self.control.expect(f'"CALL_{event}"', since)

    def invitedFrom(self, since: int) -> str:
        """
        @param since: a mark of L{phone}.
        @return: C{HOST:PORT} from which the next INVITE came, as the trace has it: a line with both
            addresses, then the message.
        """
        self.phone.expect("^INVITE ", since)
        lines = self.phone.lines[since:]
        place = next(number for number, line in enumerate(lines) if line.startswith("INVITE "))
        match = re.search(r"(\S+:\d+) -> ", lines[place - 1])
        assert match is not None, lines[place - 1]
        return match[1]

    def stop(self) -> None:
        """
        End it; it removes its bindings first.
        """
        while self._started:
            self._started.pop().stop()


def moduleFolder() -> Path:
    """
    @return: where its package keeps its modules.
    """
    return next(folder.parent for folder in Path("/usr").glob("lib*/**/baresip/modules/g711.so"))


def writeSilence(path: Path) -> None:
    """
    Write ten seconds of sound for it to send: one channel, 8,000 samples per second.
    """
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        sound.writeframes(bytes(2 * 8000 * 10))
