from reliability.graphql_cop import CHECKS, findings
from support.gateway import gateway_before_sandbox

BY_DESIGN = {check.name for check in CHECKS if check.reason}


def test_a_scanner_finds_only_intended_features_of_a_public_endpoint() -> None:
    with gateway_before_sandbox() as gateway:
        found = {name for name, is_found in findings(f"{gateway.url}/graphql").items() if is_found}
    assert found == BY_DESIGN


def test_a_scanner_finds_only_get_if_introspection_and_graphiql_are_off() -> None:
    with gateway_before_sandbox(INTROSPECTION="false", PLAYGROUND="false") as gateway:
        found = {name for name, is_found in findings(f"{gateway.url}/graphql").items() if is_found}
    assert found == {"queries by GET"}
