"""A service that is asked for scopes on a bus, and answers as it is told: manager.py ADDRESS ANSWER."""

import sys

from jeepney import DBusAddress, HeaderFields, MessageType, message_bus, new_error, new_method_return, new_signal
from jeepney.io.blocking import Proxy, open_dbus_connection

ADDRESS, ANSWER = sys.argv[1:]
MANAGER = DBusAddress("/org/freedesktop/systemd1", interface="org.freedesktop.systemd1.Manager")
JOB = "/org/freedesktop/systemd1/job/7"
OTHER_JOB = "/org/freedesktop/systemd1/job/6"

connection = open_dbus_connection(ADDRESS)
Proxy(message_bus, connection).RequestName("org.freedesktop.systemd1")
sys.stdout.write("ready\n")
sys.stdout.flush()
while True:
    message = connection.receive()
    if message.header.message_type is not MessageType.method_call:
        continue
    if message.header.fields[HeaderFields.member] == "Subscribe":
        connection.send(new_method_return(message))
        continue
    unit, mode, properties, _ = message.body
    asked = " ".join(f"{name}={value}" for name, (_, value) in properties if name in ("PIDs", "Delegate"))
    sys.stdout.write(f"{unit} {mode} {asked}\n")
    sys.stdout.flush()
    if ANSWER == "refuse":
        text = f"Unit {unit} was already loaded or has a fragment file."
        connection.send(new_error(message, "org.freedesktop.systemd1.UnitExists", "s", (text,)))
        continue
    # As it may happen: the end is told before the answer, and other jobs end meanwhile.
    for job, result in ((OTHER_JOB, "done"), (JOB, ANSWER)):
        if result != "silent":
            connection.send(new_signal(MANAGER, "JobRemoved", "uoss", (7, job, unit, result)))
    connection.send(new_method_return(message, "o", (JOB,)))
