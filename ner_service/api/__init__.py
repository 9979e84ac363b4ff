"""The service over HTTP.

Read `app` (what is put together), `routes` and `schemas` (what is asked and answered), `problems`
(the one table of errors), `service` (admission, batching, deadline: no HTTP), then `edge` (what
every request passes) and `server` (starting and stopping).
"""
