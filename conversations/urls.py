"""The chat's addresses."""

from django.urls import path

from conversations import views

app_name = "conversations"

urlpatterns = [
    path("", views.new_chat, name="new"),
    path("c/<uuid:pk>", views.chat, name="chat"),
    path("c/<uuid:pk>/thread", views.thread, name="thread"),
    path("c/<uuid:pk>/rename", views.rename, name="rename"),
    path("c/<uuid:pk>/delete", views.delete, name="delete"),
    path("messages/<uuid:pk>", views.message, name="message"),
    path("messages/<uuid:pk>/show", views.show, name="show"),
    path("turns", views.send_turn, name="turns"),
    path("parameters", views.parameters, name="parameters"),
    path("sidebar", views.sidebar, name="sidebar"),
    path("balance", views.balance, name="balance"),
]
