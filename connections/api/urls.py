from connections.api.views import ConnectionViewSet
from core.api.routers import Router

router = Router()
router.register("connections", ConnectionViewSet)

urlpatterns = router.urls
