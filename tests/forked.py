"""Run a command in a fork of the server that forkserver.py is, with everything that a process gets
from the one that starts it: python -I -S forked.py SOCKET ARGUMENTS. It imports as little as
possible."""

import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    words = [str(os.getpgrp()), str(len(sys.argv) - 2), *sys.argv[2:]]
    words += [f"{name}={value}" for name, value in os.environ.items()]
    content = "\0".join(words).encode(errors="surrogateescape")
    folder = os.open(".", os.O_RDONLY)
    socket.send_fds(server, [len(content).to_bytes(4, "big")], [0, 1, 2, folder])
    server.sendall(content)
    code = server.recv(1)
os._exit(code[0] if code else 70)
