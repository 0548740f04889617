"""The gateway's request ids."""

from uuid import UUID

from gateway.invitations.correlation import new_uuid


def test_a_request_id_is_a_random_uuid_of_version_4() -> None:
    made = [new_uuid() for _ in range(1000)]
    assert len(set(made)) == 1000
    for text in made:
        uuid = UUID(text)
        assert str(uuid) == text
        assert uuid.version == 4
    # All variable bits take every value.
    values = ["".join(sorted({text[place] for text in made})) for place in range(36)]
    hexadecimal = "0123456789abcdef"
    expected = [hexadecimal] * 36
    for place in (8, 13, 18, 23):
        expected[place] = "-"
    expected[14], expected[19] = "4", "89ab"
    assert values == expected


def test_no_digit_of_a_request_id_depends_on_its_neighbour() -> None:
    digits = [new_uuid().replace("-", "") for _ in range(10_000)]
    for place in range(31):
        pairs = {text[place : place + 2] for text in digits}
        assert len(pairs) == len({text[place] for text in digits}) * len({text[place + 1] for text in digits})
