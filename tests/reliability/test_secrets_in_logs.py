from reliability.secrets_in_logs import LINE, after_traffic, log_lines


def test_the_log_has_no_secret_and_no_line_that_a_client_wrote() -> None:
    with after_traffic() as (secret, gateway):
        lines = log_lines(gateway)
        assert len(lines) >= 100
        assert len(secret.made) >= 100
        assert secret.found_in(gateway.log()) == []
        assert [line for line in lines if not LINE.fullmatch(line)] == []
        assert not [line for line in lines if "bug=" in line and "gateway.access" not in line]
