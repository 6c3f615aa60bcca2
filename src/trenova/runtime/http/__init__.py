"""What all HTTP servers of Trenova share: limits per connection, reading a request's body, request ids, HEAD.

`server` configures uvicorn, `protocol` enforces the limits before a request reaches an application, `body` reads a body
within the bytes that `byte_budget` grants, `head_requests` answers HEAD. `loopback` is a client for requests to our
own processes. May import: errors, config.
"""
