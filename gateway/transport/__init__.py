"""An HTTP client that knows whether a request was sent, and nothing about invitations."""

from gateway.transport.answer import ResponseTooLarge
from gateway.transport.httpx_internals import Request, Response
from gateway.transport.tls import TlsError, tls_context
from gateway.transport.transport import Transport

__all__ = ["Request", "Response", "ResponseTooLarge", "TlsError", "Transport", "tls_context"]
