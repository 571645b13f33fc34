"""What is refused before it reaches the parser, and what is taken."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media.embedded import EmbeddedMedia
from server.media.offers import LARGEST_OFFER, Spoken, agree, read_candidate, read_offer
from server.ports import Leg, MediaError
from tests.media.peers import Browser


@pytest.fixture
async def offer():
    browser = Browser()
    yield await browser.offer()
    await browser.close()


def code(sdp: str) -> str:
    with pytest.raises(MediaError) as refused:
        read_offer(sdp)
    return refused.value.code


def test_a_real_offer_is_taken(offer):
    assert "m=audio" in read_offer(offer).sdp


@pytest.mark.parametrize(
    "change",
    [
        lambda sdp: "",
        lambda sdp: "hello",
        lambda sdp: sdp + "a=x:" + "y" * LARGEST_OFFER,
        lambda sdp: sdp + "\0",
        lambda sdp: sdp[: sdp.index("m=video")],
        lambda sdp: sdp + sdp[sdp.index("m=video") :],
        lambda sdp: sdp + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
        lambda sdp: sdp.replace("a=sendrecv", "a=recvonly"),
        lambda sdp: sdp.replace("a=group:BUNDLE 0 1", ""),
        lambda sdp: sdp.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0 0"),
        lambda sdp: sdp.replace("a=rtcp-mux", "a=nothing"),
        lambda sdp: sdp.replace("a=ice-pwd", "a=nothing"),
        lambda sdp: sdp.replace("a=fingerprint:", "a=nothing:"),
        lambda sdp: sdp + "a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n" * 65,
    ],
)
def test_what_is_not_an_offer_of_one_audio_and_one_video(offer, change):
    assert code(change(offer)) == "media_offer_invalid"


def test_other_codecs_are_not_spoken(offer):
    assert code(offer.replace("VP8/", "VP9/").replace("H264/", "AV1/")) == "media_codec_unsupported"
    assert code(offer.replace("opus/", "speex/")) == "media_codec_unsupported"


@pytest.mark.parametrize(
    ("parameters", "taken"),
    [
        ("packetization-mode=1;profile-level-id=42e01f", True),
        ("level-asymmetry-allowed=1; packetization-mode=1; profile-level-id=42C014", True),
        ("packetization-mode=0;profile-level-id=42e01f", False),
        ("profile-level-id=42e01f", False),
        ("packetization-mode=1;profile-level-id=640c1f", False),
        ("packetization-mode=1;profile-level-id=42001f", False),
        ("packetization-mode=1;profile-level-id=4d001f", False),
        ("packetization-mode=1;profile-level-id=xyz", False),
        ("packetization-mode=1", False),
    ],
)
def test_h264_is_taken_where_every_decoder_knows_it(offer, parameters, taken):
    alone = offer.replace("VP8/", "VP9/")
    for known in set(re.findall(r"a=fmtp:\d+ (level-asymmetry\S+)", alone)):
        alone = alone.replace(known, parameters)
    if taken:
        assert list(read_offer(alone).payload_types) == ["H264"]
    else:
        assert code(alone) == "media_codec_unsupported"


def test_an_offer_is_narrowed_to_one_codec_and_its_repair(offer):
    read = read_offer(offer)
    assert list(read.payload_types) == ["VP8", "H264"]
    for name, number in read.payload_types.items():
        video = read.only(name).split("m=video")[1]
        types = video.splitlines()[0].split()[3 - 1 :]
        assert len(types) == 2
        assert types[0] == str(number)
        assert f"a=fmtp:{types[1]} apt={number}" in video
        assert {
            line.split()[0].rpartition(":")[2] for line in video.splitlines() if line.startswith("a=rtpmap")
        } == set(types)
        assert read_offer(read.only(name)).payload_types == {name: number}
    assert "opus" in read.only("H264")


@pytest.mark.parametrize(
    ("others", "codec", "mismatched"),
    [
        ([], "VP8", 0),
        ([Spoken("H264", ("H264",))], "H264", 0),
        ([Spoken("H264", ("VP8", "H264"))], "H264", 0),
        ([Spoken("VP8", ("VP8", "H264")), Spoken("H264", ("H264",))], "H264", 1),
    ],
)
def test_the_codec_of_a_call_is_that_of_the_others_or_one_that_all_can(offer, others, codec, mismatched):
    assert agree(read_offer(offer), others) == codec
    assert sum(other.codec != codec for other in others) == mismatched


def test_no_codec_in_common(offer):
    h264 = read_offer(offer.replace("VP8/", "VP9/"))
    assert agree(h264, [Spoken("VP8", ("VP8", "H264"))]) == "H264"
    with pytest.raises(MediaError) as refused:
        agree(h264, [Spoken("VP8", ("VP8",))])
    assert refused.value.code == "media_codec_unsupported"


def test_candidates_that_are_names_or_tcp_are_left_out(offer):
    names = (
        "a=candidate:1 1 udp 1 0f.local 9 typ host\r\na=candidate:2 1 tcp 1 127.0.0.1 9 typ host tcptype active\r\n"
        "a=candidate:3 1 UDP 1 10.0.0.7 9 typ host\r\n"
    )
    kept = read_offer(offer + names).sdp
    assert "10.0.0.7" in kept
    assert ".local" not in kept
    assert "tcptype" not in kept


@pytest.mark.parametrize(
    "candidate",
    [
        {},
        {"candidate": 1, "sdpMid": "0"},
        {"candidate": "x" * 600, "sdpMid": "0"},
        {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host"},
        {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "sdpMid": 7},
        {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "sdpMLineIndex": True},
        {"candidate": "candidate:1 1 udp", "sdpMid": "0"},
    ],
)
def test_what_is_not_a_candidate(candidate):
    with pytest.raises(MediaError) as refused:
        read_candidate(candidate)
    assert refused.value.code == "media_candidate_invalid"


def test_the_end_of_candidates_and_names_are_passed_over():
    assert read_candidate({"candidate": "", "sdpMid": "0"}) is None
    assert read_candidate({"candidate": "candidate:1 1 udp 1 a.local 9 typ host", "sdpMid": "0"}) is None


async def test_candidates_of_a_leg(offer):
    media = EmbeddedMedia(addresses=["127.0.0.1"])
    good = {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}
    await media.add_candidate("c", Leg.APPLICANT, good)  # no such leg yet: passed over
    await media.answer("c", Leg.APPLICANT, offer)
    await media.add_candidate("c", Leg.APPLICANT, good)
    for wrong in ("candidate:1 x udp y 127.0.0.1 9 typ host", "candidate:1 1 udp 1 nowhere 9 typ host"):
        with pytest.raises(MediaError) as refused:
            await media.add_candidate("c", Leg.APPLICANT, {**good, "candidate": wrong})
        assert refused.value.code == "media_candidate_invalid"

    async def many() -> None:
        for port in range(70):
            line = f"candidate:1 1 udp 1 127.0.0.1 {port} typ host"
            await media.add_candidate("c", Leg.APPLICANT, {**good, "candidate": line})

    with pytest.raises(MediaError) as refused:
        await many()
    assert refused.value.code == "media_candidate_invalid"
    await media.aclose()


async def test_damaged_offers_leave_nothing_behind(offer):
    media = EmbeddedMedia(addresses=["127.0.0.1"])
    lines = offer.splitlines()
    refusals = []
    for index in range(0, len(lines), 2):
        damaged = "\r\n".join([*lines[:index], lines[index][: len(lines[index]) // 2], *lines[index + 1 :]]) + "\r\n"
        try:
            await media.answer(f"c{index}", Leg.APPLICANT, damaged)
        except MediaError as error:
            refusals.append(error.code)
            assert media.statistics(f"c{index}", Leg.APPLICANT) is None
    assert len(refusals) > 5
    assert set(refusals) <= {"media_offer_invalid", "media_codec_unsupported"}
    await media.aclose()


@given(text=st.text(max_size=200))
def test_any_text_is_refused_with_a_code(text: str):
    assert code(text) == "media_offer_invalid"
