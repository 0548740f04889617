"""Runs an ASGI application: processes, signals, HTTP/1.1 connections, startup and shutdown."""
