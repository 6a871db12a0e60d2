"""Where websockets go."""

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path

from conversations.consumers import ChatConsumer

websockets = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter([path("ws/", ChatConsumer.as_asgi())])))
application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": websockets})
