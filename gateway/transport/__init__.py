"""An HTTP client that knows whether a request was sent, and nothing about invitations."""

from gateway.transport.answer import Response, ResponseTooLarge
from gateway.transport.tls import TlsError, tls_context
from gateway.transport.transport import Transport

__all__ = ["Response", "ResponseTooLarge", "TlsError", "Transport", "tls_context"]
