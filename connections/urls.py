from connections.views import ConnectionViewSet
from itempath.api.routers import Router

router = Router()
router.register("connections", ConnectionViewSet)

urlpatterns = router.urls
