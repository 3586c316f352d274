"""Posts alerts to a webhook, in a form that Slack and its like understand.

Belongs here: the HTTP request, what its failures mean, and what may be said of the URL. Must not come here: what is
worth telling (``alerts``).
"""

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic_core import to_json

WEBHOOK_VARIABLE = "SPORT_ASSETS_ALERT_WEBHOOK"
TIMEOUT_SECONDS = 5.0


class DeliveryFailed(Exception):
    """The receiver did not take a message. ``unreachable``: nor would it take another one now."""

    def __init__(self, message: str, *, unreachable: bool = True) -> None:
        super().__init__(message)
        self.unreachable = unreachable


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST becomes a GET without its content, and looks like a success."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow none."""


_OPENER = urllib.request.build_opener(_NoRedirect)


def post(url: str, message: Mapping[str, Any], timeout: float = TIMEOUT_SECONDS) -> None:
    """Send ``message`` as JSON. Raises ``DeliveryFailed``, whose text holds no part of the URL that may be secret."""
    where = shown_url(url)
    request = urllib.request.Request(
        url,
        data=to_json(dict(message), inf_nan_mode="strings", fallback=str),
        headers={"Content-Type": "application/json", "User-Agent": "sport_assets"},
        method="POST",
    )
    try:
        with _OPENER.open(request, timeout=timeout):
            return
    except urllib.error.HTTPError as error:
        error.close()
        message_for_people = f"{where} answered {error.code} {http.client.responses.get(error.code, '')}".rstrip()
        raise DeliveryFailed(message_for_people, unreachable=error.code == 429 or error.code >= 500) from None
    except urllib.error.URLError as error:
        raise DeliveryFailed(f"{where} cannot be reached: {error.reason}") from None
    except TimeoutError:
        raise DeliveryFailed(f"{where} did not answer within {timeout:g} s") from None
    except (OSError, http.client.HTTPException, ValueError) as error:  # their text may repeat the URL
        raise DeliveryFailed(f"{where} cannot be reached: {type(error).__name__}") from None


def shown_url(url: str) -> str:
    """The URL as it may stand in a log: scheme and host. Path, query and user hold such services' secrets.

    Raises ``DeliveryFailed`` for anything but http and https.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in ("http", "https"):
        raise DeliveryFailed(f"{WEBHOOK_VARIABLE} is no http(s) URL: give one such as https://hooks.example.org/…")
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}"
