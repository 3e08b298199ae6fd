"""The isolation of web.py around Debian's nginx: `haconiwa run nginx.py`."""

from dataclasses import replace

from web import web

nginx = replace(web, name="nginx", command=["/usr/sbin/nginx", "-c", "/srv/nginx.conf"])

# The name `web` stands in this file too; the list says what the file defines.
containers = [nginx]
