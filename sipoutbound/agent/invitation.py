"""
An INVITE of ours: each 2xx is acknowledged, and one of them is taken (RFC 3261 13.2.2.4).
"""

from __future__ import annotations

from typing import Protocol

from attrs import define
from twisted.logger import Logger

from sipoutbound.agent.dialog import Dialog, Within
from sipoutbound.interfaces import IFlow
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.message import Response

log = Logger()


class Inviting(Within, Protocol):
    """
    What an INVITE needs of the user agent.
    """

    def established(self, dialog: Dialog) -> None:
        """
        There is a new dialog.
        """

    def acknowledge(self, dialog: Dialog, number: int) -> None:
        """
        Send the ACK for a 2xx.
        """


@define(eq=False, repr=False)
class Invitation:
    """
    @ivar dialog: what it has made, or, for one within a dialog, that.
    """

    agent: Inviting
    dialog: Dialog | None = None

    def accepted(self, response: Response, flow: IFlow, wanted: bool) -> None:
        """
        A 2xx came, for the first time or again. A second phone that has picked up, or one that did
        when nobody waited any more, is told that the call is over.
        """
        try:
            found = Dialog.ofCaller(response, flow, self.agent)
        except Malformed as error:
            log.info("no ACK for a 2xx: {why}", why=error.reason)
            return
        number = response.cseq.number
        if self.dialog is not None and self.dialog.key == found.key:
            self.dialog.refreshed(response)
            self.agent.acknowledge(self.dialog, number)
            return
        self.agent.acknowledge(found, number)
        if self.dialog is None and wanted:
            self.dialog = found
            self.agent.established(found)
        else:
            found.bye().addErrback(lambda failure: None)
