# SPDX-License-Identifier: Apache-2.0
"""What systemd does for a service with sockets: `activate.py FD[,FD...] NAMES PROGRAM ARGUMENT...`
puts them at 3 and above, says so in the environment, and becomes the program."""

import fcntl
import os
import sys

sockets = [fcntl.fcntl(int(word), fcntl.F_DUPFD, 100) for word in sys.argv[1].split(",")]
for number, fd in enumerate(sockets):
    os.dup2(fd, 3 + number)
    os.close(fd)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = str(len(sockets))
os.environ["LISTEN_FDNAMES"] = sys.argv[2]
os.execv(sys.argv[3], sys.argv[3:])
