"""What all who ask a server by HTTP have to know: why there is no answer, and when to come again."""

from __future__ import annotations

import re
import ssl
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import httpx

from facerec_cli.environment import proxy_variable


def reason(error: Exception, url: str) -> str:
    """Why a server does not give what is asked for, in few words."""
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        if isinstance(error.__cause__, ssl.SSLError) or "CERTIFICATE" in str(error):
            return f"no safe connection, {error}"
        variable = proxy_variable(httpx.URL(url))
        return f"no connection by the proxy that {variable} names" if variable else "no connection"
    return str(error) or type(error).__name__


def retry_after(response: httpx.Response) -> float | None:
    """Seconds to wait, from a header that holds seconds or a date (RFC 9110, 10.2.3)."""
    value = response.headers.get("Retry-After", "")
    if re.fullmatch("[0-9]+", value):
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None
