"""A page opened from a file with the network cut."""

from pathlib import Path


def opened_offline(browser, path: Path, **options):
    """The page; ``wrong`` holds what its console says went wrong, ``asked`` every address it asked for."""
    page = browser.new_page(**options)
    page.set_default_timeout(60_000)
    page.context.set_offline(True)
    page.wrong, page.asked = [], []
    page.on("console", lambda message: page.wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(path.as_uri())
    return page
