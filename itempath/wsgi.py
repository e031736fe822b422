"""The WSGI application that the server process loads."""

import os
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from core.bounds import bound_requests
from core.proxies import trust_proxies
from core.speed import collect_garbage_rarely

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itempath.settings")

application: "WSGIApplication" = bound_requests(get_wsgi_application())
application = trust_proxies(application, settings.TRUSTED_PROXIES)

collect_garbage_rarely()
