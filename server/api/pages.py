"""The static pages, as they are, and the headers that confine them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware

from server.api.errors import Handler

PAGES = {
    "/": "index.html",
    "/operator.html": "operator.html",
    "/operator": "operator.html",
    "/records.html": "records.html",
    "/interpreter.html": "interpreter.html",
}
FOLDERS = ("applicant", "operator", "records", "interpreter", "shared", "styles", "locales", "vendor", "pictures")

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob: mediastream:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""No inline script or style, nothing from elsewhere, no frame round it."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def security_headers(secure: bool) -> Middleware:
    """Middleware that adds the headers to every answer; ``secure`` adds HSTS."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if not response.prepared:
            response.headers.update(HEADERS)
            if secure:
                response.headers["Strict-Transport-Security"] = "max-age=31536000"
        return response

    return middleware


def add_pages(app: web.Application, folder: Path) -> None:
    """Serve the pages and their folders; revalidated at every load, so that an upgrade is one reload away."""
    for path, name in PAGES.items():
        app.router.add_get(path, _page(folder / name))
    for name in FOLDERS:
        if (folder / name).is_dir():
            app.router.add_static(f"/{name}", folder / name, append_version=False)


def _page(file: Path) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def page(_: web.Request) -> web.StreamResponse:
        response = web.FileResponse(file)
        response.headers["Cache-Control"] = "no-cache"
        return response

    return page
