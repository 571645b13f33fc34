"""What is added to Janus's answers, and what a page's answer may look like."""

from __future__ import annotations

import pytest

from server.media.answers import extend_answer, read_answer, same_offer
from server.ports import MediaError

ANSWER = "\r\n".join(
    [
        "v=0",
        "o=- 1 1 IN IP4 192.0.2.2",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1",
        "a=ice-ufrag:u",
        "a=ice-pwd:p",
        "a=fingerprint:sha-256 AA:BB",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "a=mid:0",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 useinbandfec=1;stereo=0",
        "a=candidate:1 1 udp 2015363327 192.0.2.2 23022 typ host",
        "a=candidate:2 1 tcp 2015363327 192.0.2.2 9 typ host tcptype active",
        "a=candidate:3 1 udp 2015363327 a.local 23022 typ host",
        "m=video 9 UDP/TLS/RTP/SAVPF 97 98",
        "a=mid:1",
        "a=rtpmap:97 VP8/90000",
        "a=rtpmap:98 rtx/90000",
        "a=fmtp:98 apt=97",
        "",
    ]
)


def test_an_answer_gets_a_start_bitrate_and_opus_repair():
    lines = extend_answer(ANSWER, 600_000).split("\r\n")
    assert "a=fmtp:111 useinbandfec=1;stereo=0;minptime=10" in lines
    assert lines[lines.index("a=rtpmap:97 VP8/90000") + 1] == "a=fmtp:97 x-google-start-bitrate=600"
    assert "a=fmtp:98 apt=97" in lines
    assert len(lines) == len(ANSWER.split("\r\n")) + 1
    assert extend_answer("\r\n".join(lines), 600_000).split("\r\n") == lines


def test_an_answer_is_read_without_candidates_that_are_of_no_use():
    found = [line for line in read_answer(ANSWER).splitlines() if line.startswith("a=candidate:")]
    assert found == ["a=candidate:1 1 udp 2015363327 192.0.2.2 23022 typ host"]


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "v=0\r\n",
        ANSWER + "a=x\0",
        ANSWER + "a=" + "x" * 70_000,
        ANSWER + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
        ANSWER.replace("a=fingerprint", "a=finger"),
        ANSWER.replace("a=ice-ufrag", "a=ice"),
        ANSWER + "a=candidate:1 1 udp 1 192.0.2.2 2 typ host\r\n" * 64,
    ],
)
def test_an_answer_that_cannot_be_one_is_refused(wrong):
    with pytest.raises(MediaError) as refused:
        read_answer(wrong)
    assert refused.value.code == "media_offer_invalid"


def test_offers_are_the_same_but_for_their_version():
    assert same_offer(ANSWER, ANSWER.replace("o=- 1 1", "o=- 1 2"))
    assert not same_offer(ANSWER, ANSWER.replace("a=ice-pwd:p", "a=ice-pwd:q"))
