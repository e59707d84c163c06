"""
The grammar of RFC 3261 section 25.1 as named patterns on bytes.

Each pattern stands below the rule it implements. Departures are explained where they are made.
Quantifiers over user input are possessive (C{*+}, C{++}), so no input takes more than linear time.
Those over groups that can fail behind their first octet are not: before Python 3.11.5 that octet
would stay taken (CPython issue 106052). They are linear because what follows such a group cannot
begin where another round of it does.
"""

from __future__ import annotations

import re


class Malformed(ValueError):
    """
    A message or a part of it that the grammar does not allow.

    @ivar status: the status code of the answer it deserves (RFC 3261 21.4, 21.5).
    @ivar reason: the reason phrase of that answer, one line of plain words.
    """

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


# alphanum = ALPHA / DIGIT
# token    = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~" )
TOKEN_CHARACTERS = rb"A-Za-z0-9\-.!%*_+`'~"
TOKEN = re.compile(rb"[" + TOKEN_CHARACTERS + rb"]++")

# LWS = [*WSP CRLF] 1*WSP ; SWS = [LWS]
SWS = rb"[ \t\r\n]*+"

# quoted-string = SWS DQUOTE *(qdtext / quoted-pair ) DQUOTE
QUOTED_STRING = rb'"(?:[^"\\]|\\[\x00-\x09\x0b\x0c\x0e-\x7f])*+"'

# escaped = "%" HEXDIG HEXDIG
ESCAPED = rb"%[0-9A-Fa-f]{2}"

# unreserved = alphanum / mark ; mark = "-" / "_" / "." / "!" / "~" / "*" / "'" / "(" / ")"
_UNRESERVED = rb"A-Za-z0-9\-_.!~*'()"

# user = 1*( unreserved / escaped / user-unreserved )
# user-unreserved = "&" / "=" / "+" / "$" / "," / ";" / "?" / "/"
# "#" is not in the rule; phones send it unescaped in dialled service codes, and nothing else
# in a URI uses it, so it is let through.
_USER = rb"(?:[" + _UNRESERVED + rb"&=+$,;?/#]++|" + ESCAPED + rb")+"

# password = *( unreserved / escaped / "&" / "=" / "+" / "$" / "," )
_PASSWORD = rb"(?:[" + _UNRESERVED + rb"&=+$,]++|" + ESCAPED + rb")*"

# dec-octet = DIGIT / %x31-39 DIGIT / "1" 2DIGIT / "2" %x30-34 DIGIT / "25" %x30-35 ; RFC 5954 4.1
_OCTET = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"

# hostname = *( domainlabel "." ) toplabel [ "." ] ; IPv6reference = "[" IPv6address "]"
# IPv4address = dec-octet "." dec-octet "." dec-octet "." dec-octet
# "_" is not in the rule; names of containers and of SRV owners have it, and resolvers take it.
# Nor need a toplabel begin with a letter, as long as nobody can take the whole for an address.
HOST = (
    rb"(?:" + rb"\.".join([_OCTET] * 4) + rb"|(?=[0-9.]*+[A-Za-z_\-])"
    rb"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]++\])"
)

# paramchar = param-unreserved / unreserved / escaped
# param-unreserved = "[" / "]" / "/" / ":" / "&" / "+" / "$"
_PARAMCHARS = rb"(?:[" + _UNRESERVED + rb"\[\]/:&+$]++|" + ESCAPED + rb")"

# uri-parameters = *( ";" uri-parameter) ; other-param = pname [ "=" pvalue ]
URI_PARAMETERS = rb"(?:;" + _PARAMCHARS + rb"+(?:=" + _PARAMCHARS + rb"*)?)*"

# headers = "?" header *( "&" header ) ; header = hname "=" hvalue
_URI_HEADERS = rb"(?:[" + _UNRESERVED + rb"\[\]/?:+$&=]++|" + ESCAPED + rb")+"

# SIP-URI  = "sip:"  [ userinfo ] hostport uri-parameters [ headers ]
# SIPS-URI = "sips:" [ userinfo ] hostport uri-parameters [ headers ]
SIP_URI = re.compile(
    rb"([Ss][Ii][Pp][Ss]?):(?:(" + _USER + rb")(?::(" + _PASSWORD + rb"))?@)?"
    rb"(" + HOST + rb")(?::([0-9]{1,5}))?(" + URI_PARAMETERS + rb")(?:\?(" + _URI_HEADERS + rb"))?"
)

# absoluteURI = scheme ":" ( hier-part / opaque-part )
# scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
ABSOLUTE_URI = re.compile(rb"([A-Za-z][A-Za-z0-9+.\-]*+):([!-~]++)")

# generic-param = token [ EQUAL gen-value ] ; gen-value = token / host / quoted-string
# Empty parameters (";;", a trailing ";") are let through: RFC 5626 3.2 itself prints one.
# A value takes any visible character but the separators: clients send unquoted URIs here.
_PARAM = (
    SWS + rb"([" + TOKEN_CHARACTERS + rb"]++)"
    rb"(?:" + SWS + rb"=" + SWS + rb"(" + QUOTED_STRING + rb"|[^\x00-\x20\";,<>\x7f]*+))?"
)
PARAMETER = re.compile(rb";" + _PARAM)
PARAMETERS = (
    rb"(?:" + SWS + rb";(?:"
    + SWS + rb"[" + TOKEN_CHARACTERS + rb"]++"
    rb"(?:" + SWS + rb"=" + SWS + rb"(?:" + QUOTED_STRING + rb"|[^\x00-\x20\";,<>\x7f]*+))?)?)*+"
)

# name-addr    = [ display-name ] LAQUOT addr-spec RAQUOT
# display-name = *(token LWS)/ quoted-string
# addr-spec without <> may hold no comma, semicolon or question mark (RFC 3261 20).
NAME_ADDRESS = re.compile(
    SWS + rb"(?:(" + QUOTED_STRING + rb"|[" + TOKEN_CHARACTERS + rb" \t\r\n]*+)" + SWS
    + rb"<" + SWS + rb"([^<>\x00-\x20\x7f]++)" + SWS + rb">|([A-Za-z][^<>\",;?\x00-\x20\x7f]*+))"
    rb"(" + PARAMETERS + rb")" + SWS
)

# via-parm      = sent-protocol LWS sent-by *( SEMI via-params )
# sent-protocol = protocol-name SLASH protocol-version SLASH transport
# sent-by       = host [ COLON port ]
# protocol-version = token ; who speaks another one is told so where this one says (RFC 3261 21.5.6)
VIA = re.compile(
    SWS + rb"[Ss][Ii][Pp]" + SWS + rb"/" + SWS + rb"(2\.0|[" + TOKEN_CHARACTERS + rb"]++)" + SWS
    + rb"/" + SWS
    + rb"([" + TOKEN_CHARACTERS + rb"]++)[ \t\r\n]++"
    rb"(" + HOST + rb")(?:" + SWS + rb":" + SWS + rb"([0-9]{1,5}))?"
    rb"(" + PARAMETERS + rb")" + SWS
)

# via-branch = "branch" EQUAL token
BRANCH = re.compile(rb";" + SWS + rb"branch" + SWS + rb"=" + SWS + rb"([^\s;,\"]++)", re.I)

# CSeq = "CSeq" HCOLON 1*DIGIT LWS Method ; below 2**31 (RFC 3261 8.1.1.5): ten digits at most
CSEQ = re.compile(rb"\s*+([0-9]{1,10})[ \t\r\n]++([" + TOKEN_CHARACTERS + rb"]++)\s*+")

# Request-Line = Method SP Request-URI SP SIP-Version CRLF
REQUEST_LINE = re.compile(
    rb"([" + TOKEN_CHARACTERS + rb"]++) ([^\s\x00-\x1f\x7f]++) SIP/2\.0", re.I
)

# Status-Line = SIP-Version SP Status-Code SP Reason-Phrase CRLF
STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2})(?: ([^\r\n]*+))?", re.I)

# Anything that means to be SIP but is not quite: enough to answer 400 or 505 to it.
ALMOST_REQUEST = re.compile(
    rb"([" + TOKEN_CHARACTERS + rb"]++)[ \t]++(.*)[ \t](SIP/[^\s]++)[ \t]*+", re.I
)

# The same for responses: enough to know where they end, so as to drop them and nothing else.
ALMOST_RESPONSE = re.compile(rb"SIP/[0-9.]++ [0-9]++(?: .*+)?", re.I)

# 1*DIGIT; more than ten digits is no delta-seconds, length or count that SIP knows (20.9, 20.19).
DIGITS = re.compile(rb"\s*+([0-9]{1,10})\s*+")
