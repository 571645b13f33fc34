"""Every private name of aiortc and aioice that the product touches, and nothing else.

aiortc answers the offer and does ICE and DTLS. Its RTP senders and receivers are never started: their ``send`` and
``receive`` are replaced on the instance and hand over what was agreed; packets go from the socket straight to the
translator. The sockets are the product's own (port range, announced address, loopback), put into aioice's Connection.

The versions are pinned below and every name is checked before it is used, so that an upgrade fails loudly.
"""

from __future__ import annotations

import asyncio
import errno
import importlib.metadata
import ipaddress
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aioice.ice import Connection, StunProtocol, get_host_addresses
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import (
    RTCRtcpFeedback,
    RTCRtpHeaderExtensionParameters,
    RTCRtpParameters,
    RTCRtpReceiveParameters,
    RTCRtpSendParameters,
)
from aiortc.sdp import candidate_from_sdp

from server.media import srtp
from server.media.codecs import VP8
from server.media.offers import TRANSPORT_CC, Offer
from server.media.streams import KINDS, StreamParameters
from server.ports import MediaError

PINNED = {"aiortc": "1.16.", "aioice": "0.13.", "pylibsrtp": "1.0."}
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
PROFILE = "42e01f"  # aiortc's name of H.264 constrained baseline, level 3.1; each browser names its own level
RECEIVE_BUFFER = 1 << 20  # bytes asked of the kernel; key frames of 100 packets must fit while the loop is busy

_log = logging.getLogger(__name__)


class InternalsChanged(RuntimeError):
    """aiortc, aioice or pylibsrtp is not the version whose internals this module knows."""


def check_versions() -> None:
    """Raises InternalsChanged unless the libraries have the pinned version and the class-level names are there."""
    for name, prefix in PINNED.items():
        version = importlib.metadata.version(name)
        if not version.startswith(prefix):
            raise InternalsChanged(f"{name} {version} is installed; this release knows the internals of {prefix}x only")
    wanted: tuple[tuple[object, tuple[str, ...]], ...] = (
        (Connection, ("gather_candidates", "add_remote_candidate", "data_received", "close")),
        (StunProtocol, ("datagram_received", "connection_made", "connection_lost", "error_received")),
        (RTCRtpSender, ("send", "stop")),
        (RTCRtpReceiver, ("receive", "stop")),
        (RTCDtlsTransport, ("_setup_srtp",)),
        (RTCRtpTransceiver, ("setCodecPreferences",)),
        *srtp.NAMES,
    )
    _check_names(wanted)


def _check_names(wanted: tuple[tuple[object, tuple[str, ...]], ...]) -> None:
    missing = [f"{owner!r}: {name}" for owner, names in wanted for name in names if not hasattr(owner, name)]
    if missing:
        raise InternalsChanged("not found: " + ", ".join(missing))


def _check_instance(transceiver: RTCRtpTransceiver) -> None:
    dtls = transceiver.receiver.transport
    connection = dtls.transport._connection
    wanted: tuple[tuple[object, tuple[str, ...]], ...] = (
        (transceiver, ("_codecs", "_headerExtensions")),
        (transceiver.sender, ("_ssrc", "_rtx_ssrc", "_stream_id")),
        (dtls, ("_rx_srtp", "_tx_srtp")),
        (
            connection,
            (
                "_local_candidates",
                "_local_candidates_start",
                "_local_candidates_end",
                "_nominated",
                "_protocols",
                "_components",
            ),
        ),
    )
    _check_names(wanted)


@dataclass(frozen=True, slots=True)
class Network:
    """Where the server's sockets are."""

    addresses: tuple[str, ...]
    """Local addresses to bind."""
    ports: tuple[int, int] | None = None
    """First and last UDP port, or None for any."""
    announced: str | None = None
    """The address that browsers are told instead of the local ones (1:1 NAT); loopback stays as it is."""


def host_addresses(loopback: bool) -> tuple[str, ...]:
    """This host's IPv4 and IPv6 addresses; with ``loopback``, or where there is nothing else, 127.0.0.1 too."""
    found = [address for address in get_host_addresses(use_ipv4=True, use_ipv6=True) if not _is_local(address)]
    return tuple([*found, "127.0.0.1"] if loopback or not found else found)


def _is_local(address: str) -> bool:
    parsed = ipaddress.ip_address(address.split("%", 1)[0])
    return parsed.is_loopback or parsed.is_link_local


class PortsExhausted(OSError):
    """Every port of the range is taken."""


class _Socket(StunProtocol):
    """One UDP socket of a peer: SRTP and SRTCP go to the peer, all else (STUN, DTLS) to aioice."""

    def __init__(self, connection: Connection, peer: Peer) -> None:
        super().__init__(connection)
        self._peer = peer

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        assert isinstance(data, bytes)
        peer = self._peer
        peer.datagrams += 1
        if len(data) > 12 and 127 < data[0] < 192:  # RFC 7983 section 7
            peer.on_media(data)
        elif data:
            super().datagram_received(data, addr)


class Peer:
    """One browser's peer connection. Implements streams.Wire once ``on_ready`` was called."""

    def __init__(
        self,
        network: Network,
        start_bitrate: int,
        on_ready: Callable[[dict[str, StreamParameters]], None],
        on_gone: Callable[[], None],
        codec: str = VP8.name,
    ) -> None:
        """``codec``: the video's."""
        self.datagrams = 0
        """Datagrams received, of any sort: what tells a silent browser."""
        self.on_rtp: Callable[[bytes], None] = _drop
        self.on_rtcp: Callable[[bytes], None] = _drop
        self._network = network
        self._start_bitrate = start_bitrate
        self._codec = codec
        self._on_ready = on_ready
        self._on_gone = on_gone
        self._agreed: dict[str, StreamParameters] = {}
        self._transport_cc: int | None = None
        self._unprotect: srtp.Transform = _nothing_yet
        self._unprotect_rtcp: srtp.Transform = _nothing_yet
        self._protect: srtp.Transform = _nothing_yet
        self._protect_rtcp: srtp.Transform = _nothing_yet
        self._pair: tuple[asyncio.DatagramTransport, tuple[str, int]] | None = None
        self._closed = False
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._pc.on("connectionstatechange", self._on_state)
        self._transceivers = [self._prepare(kind, name) for kind, name in zip(KINDS, ("opus", codec), strict=True)]
        self._dtls: RTCDtlsTransport = self._transceivers[0].receiver.transport
        self._connection: Connection = self._dtls.transport._connection
        self._connection.gather_candidates = self._gather  # type: ignore[method-assign]

    def _prepare(self, kind: str, codec: str) -> RTCRtpTransceiver:
        transceiver = self._pc.addTransceiver(kind, direction="sendrecv")
        _check_instance(transceiver)
        wanted = {f"{kind}/{codec}".lower(), "video/rtx"}
        capabilities = RTCRtpSender.getCapabilities(kind).codecs
        transceiver.setCodecPreferences(
            [
                found
                for found in capabilities
                if found.mimeType.lower() in wanted and found.parameters.get("profile-level-id", PROFILE) == PROFILE
            ]
        )

        async def send(parameters: RTCRtpSendParameters) -> None:
            del parameters  # what is sent is agreed in the same words as what is received

        async def receive(parameters: RTCRtpReceiveParameters) -> None:
            self._agree(kind, transceiver, parameters)

        transceiver.sender.send = send  # type: ignore[method-assign]
        transceiver.receiver.receive = receive  # type: ignore[method-assign]
        return transceiver

    async def answer(self, offer: Offer) -> str:
        """The SDP answer. Raises MediaError media_offer_invalid, media_codec_unsupported; PortsExhausted."""
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(sdp=offer.only(self._codec), type="offer"))
            self._extend_answer(offer)
            answer = await self._pc.createAnswer()
        except OperationError as error:
            raise MediaError("media_codec_unsupported", "The browser offers no codec that the server takes.") from error
        except (
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            AssertionError,
            StopIteration,
            InvalidAccessError,
            InvalidStateError,
        ) as error:
            # aiortc's parser has no error of its own: it raises whatever the text made it stumble over
            raise MediaError("media_offer_invalid", "The offer cannot be read.") from error
        await self._pc.setLocalDescription(answer)
        return str(self._pc.localDescription.sdp)

    async def offer(self) -> str:
        """An SDP offer, all candidates in it. Raises PortsExhausted."""
        await self._pc.setLocalDescription(await self._pc.createOffer())
        return str(self._pc.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        """Take the answer to ``offer``. Raises ValueError where it cannot be read."""
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        except (TypeError, LookupError, AttributeError, AssertionError, StopIteration, OperationError) as error:
            raise ValueError("the answer cannot be read") from error

    def _extend_answer(self, offer: Offer) -> None:
        """Agree to what the translator does and aiortc does not: transport feedback, a start bitrate, Opus FEC."""
        for transceiver in self._transceivers:
            codec = transceiver._codecs[0]
            if transceiver.kind == "audio":
                codec.parameters = {"minptime": 10, "useinbandfec": 1}
                continue
            codec.parameters = {**codec.parameters, "x-google-start-bitrate": self._start_bitrate // 1000}
            if offer.transport_cc is not None:
                self._transport_cc = offer.transport_cc
                codec.rtcpFeedback.append(RTCRtcpFeedback(type="transport-cc"))
                transceiver._headerExtensions.append(
                    RTCRtpHeaderExtensionParameters(id=offer.transport_cc, uri=TRANSPORT_CC)
                )

    async def add_candidate(self, line: str, mid: str | None, index: int | None) -> None:
        """One trickled candidate. Raises ValueError where it cannot be read."""
        try:
            candidate = candidate_from_sdp(line)
            ipaddress.ip_address(candidate.ip)
        except (ValueError, IndexError, AssertionError) as error:
            raise ValueError("candidate") from error
        candidate.sdpMid = mid
        candidate.sdpMLineIndex = index
        if not self._closed:
            await self._pc.addIceCandidate(candidate)

    # --- sockets -----------------------------------------------------------------------------------

    async def _gather(self) -> None:
        connection = self._connection
        if connection._local_candidates_start:
            return
        connection._local_candidates_start = True
        for address in self._network.addresses:
            try:
                connection._local_candidates.append(await self._open(address))
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
                _log.warning("a local address is gone since the start; calls do without it")
        if not connection._local_candidates:
            raise OSError(errno.EADDRNOTAVAIL, "none of the host's addresses can be used any more")
        connection._local_candidates_end = True

    async def _open(self, address: str) -> Candidate:
        connection = self._connection
        loop = asyncio.get_running_loop()
        endpoint = _bound(address, self._network.ports)
        try:
            transport, protocol = await loop.create_datagram_endpoint(lambda: _Socket(connection, self), sock=endpoint)
        except BaseException:
            endpoint.close()
            raise
        del transport
        connection._protocols.append(protocol)
        announced = self._network.announced
        host = address if announced is None or _is_local(address) else announced
        protocol.local_candidate = Candidate(
            foundation=candidate_foundation("host", "udp", host),
            component=1,
            transport="udp",
            priority=candidate_priority(1, "host"),
            host=host,
            port=endpoint.getsockname()[1],
            type="host",
        )
        return protocol.local_candidate

    # --- after the handshake -----------------------------------------------------------------------

    def _agree(self, kind: str, transceiver: RTCRtpTransceiver, parameters: RTCRtpReceiveParameters) -> None:
        codec = parameters.codecs[0]
        assert codec.payloadType is not None
        encoding = parameters.encodings[0] if parameters.encodings else None
        self._agreed[kind] = StreamParameters(
            clock_rate=codec.clockRate,
            payload_type=codec.payloadType,
            rtx_payload_type=_rtx_for(parameters, codec.payloadType),
            abs_send_time=_extension(parameters, ABS_SEND_TIME),
            transport_cc=self._transport_cc if kind == "video" else None,
            remote_ssrc=encoding.ssrc if encoding else None,
            remote_rtx_ssrc=encoding.rtx.ssrc if encoding and encoding.rtx else None,
            local_ssrc=transceiver.sender._ssrc,
            local_rtx_ssrc=transceiver.sender._rtx_ssrc,
            codec=self._codec,
        )
        if len(self._agreed) == len(KINDS) and not self._closed:
            self._unprotect, self._unprotect_rtcp = srtp.receiving(self._dtls._rx_srtp)
            self._protect, self._protect_rtcp = srtp.sending(self._dtls._tx_srtp)
            self.follow_path()
            self._on_ready(self._agreed)

    def follow_path(self) -> None:
        """Send where ICE now says; to be called now and then."""
        pair = self._connection._nominated.get(1)
        self._pair = (pair.protocol.transport, pair.remote_addr) if pair is not None else None

    def on_media(self, data: bytes) -> None:
        """One SRTP or SRTCP datagram; a forged, replayed or damaged one is as good as lost."""
        if 191 < data[1] < 224:  # RFC 5761 section 4
            if (report := self._unprotect_rtcp(data)) is not None:
                self.on_rtcp(report)
        elif (packet := self._unprotect(data)) is not None:
            self.on_rtp(packet)

    def send_rtp(self, packet: bytes) -> None:
        if self._pair is not None and (protected := self._protect(packet)) is not None:
            self._pair[0].sendto(protected, self._pair[1])

    def send_rtcp(self, packet: bytes) -> None:
        if self._pair is not None and (protected := self._protect_rtcp(packet)) is not None:
            self._pair[0].sendto(protected, self._pair[1])

    def _on_state(self) -> None:
        if self._pc.connectionState in ("failed", "closed") and not self._closed:
            self._on_gone()

    async def close(self) -> None:
        """Close sockets and end every task. Idempotent."""
        self._closed = True
        self.on_rtp = self.on_rtcp = _drop
        self._unprotect = self._unprotect_rtcp = self._protect = self._protect_rtcp = _nothing_yet
        self._pair = None
        await self._pc.close()


def _drop(packet: bytes) -> None:
    del packet


def _nothing_yet(data: bytes) -> bytes | None:
    del data
    return None


def _rtx_for(parameters: RTCRtpParameters, payload_type: int) -> int | None:
    for codec in parameters.codecs:
        if codec.mimeType.lower() == "video/rtx" and codec.parameters.get("apt") == payload_type:
            return codec.payloadType
    return None


def _extension(parameters: RTCRtpParameters, uri: str) -> int | None:
    return next((extension.id for extension in parameters.headerExtensions if extension.uri == uri), None)


def _bound(address: str, ports: tuple[int, int] | None) -> socket.socket:
    """A UDP socket bound to a free port of the range. Raises PortsExhausted."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in range(ports[0], ports[1] + 1) if ports else (0,):
        endpoint = socket.socket(family, socket.SOCK_DGRAM)
        try:
            endpoint.setblocking(False)
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            endpoint.bind((address, port))
        except OSError:
            endpoint.close()
            if ports is None:
                raise
            continue
        return endpoint
    raise PortsExhausted(f"no free UDP port in {ports}")
