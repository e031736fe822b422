"""The WSGI application that the server process loads."""

import gc
import os
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from granian.utils.proxies import wrap_wsgi_with_proxy_headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itempath.settings")

application: "WSGIApplication" = get_wsgi_application()
if settings.TRUSTED_PROXIES:  # only these peers may say who the client is; from anyone else X-Forwarded-* stays unread
    application = wrap_wsgi_with_proxy_headers(application, settings.TRUSTED_PROXIES)

# What is loaded stays: the collector need not look at it again, nor at each thousand records of a large page.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 20)
