import pytest
from support.certificates import Certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Make a certificate for this machine's usual names, and a client that trusts it."""
    return Certificates(tmp_path_factory.mktemp("certificates"), "DNS:localhost", "IP:127.0.0.1")


@pytest.fixture(scope="session")
def misnamed(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Make a certificate for another name, and a client that trusts it."""
    return Certificates(tmp_path_factory.mktemp("certificates"), "DNS:other.test")
