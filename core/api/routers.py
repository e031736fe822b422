from rest_framework.routers import SimpleRouter


class Router(SimpleRouter):
    """Serves every path with and without a trailing slash, without a redirect."""

    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"
