"""The least that a FastAPI service can do: a POST endpoint that answers nothing.

Served with the same uvicorn settings as ours, but for the HTTP parser, which is the argument: `h11`
is what uvicorn brings along, `httptools` what ours is built on. The port is told in a log line like
ours.
"""

import json
import socket
import sys

import uvicorn
from fastapi import FastAPI


async def answer_nothing() -> dict[str, str]:
    return {}


def main() -> None:
    app = FastAPI()
    app.post("/v1/entities")(answer_nothing)
    # asyncio sets TCP_NODELAY only where the protocol is named; without it an answer waits 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app,
            http=sys.argv[1],
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
        )
        port = listener.getsockname()[1]
        sys.stderr.write(json.dumps({"event": "serving", "port": port}) + "\n")
        sys.stderr.flush()
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
