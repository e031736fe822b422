"""The WSGI application that the server process loads."""

import gc
import os
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from core.bounds import bound_requests
from core.proxies import trust_proxies

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itempath.settings")

application: "WSGIApplication" = bound_requests(get_wsgi_application())
application = trust_proxies(application, settings.TRUSTED_PROXIES)

# Garbage collection is made rarer. Modules stay loaded, so the collector need not visit them again, and it
# need not run for every thousand records of a large page.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 20)
