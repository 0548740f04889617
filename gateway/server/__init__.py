"""Runs an ASGI application: processes, signals, HTTP/1.1 connections, and how all of that starts and ends."""
