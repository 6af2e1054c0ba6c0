"""What the functions of the story share."""

events = []
kept = {}
routes = {}
BIG = b"0123456789abcdef" * 65536


def route(function):
    routes["/" + function.__name__] = function
    return function


def start(status=200, headers=(), **more):
    return {
        "type": "http.response.start",
        "status": status,
        "headers": list(headers),
        **more,
    }


def body(data=b"", more=False):
    return {"type": "http.response.body", "body": data, "more_body": more}


async def text(send, data):
    await send(start())
    await send(body(data if isinstance(data, bytes) else str(data).encode()))


async def read(receive):
    """The content, the sizes of its pieces, and the last message."""
    data, sizes = b"", []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return data, sizes, message
        data += message["body"]
        sizes.append(len(message["body"]))
        if not message["more_body"]:
            return data, sizes, message
