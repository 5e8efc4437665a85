"""FlightGear's property tree over its HTTP interface, which answers once per drawn frame.

The telnet interface is not used: it listens on all network interfaces whatever address it is given, and takes
one value at a time; this one listens where it is told to, and sets a whole tree within one frame.
"""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from lard.simulators.core import SimulatorFault

Value = bool | int | float | str


class Properties:
    """A connection to one simulator; every fault of it is a SimulatorFault."""

    def __init__(self, port: int, timeout_s: float) -> None:
        self.port, self.timeout_s = port, timeout_s
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)

    def get(self, path: str) -> Any:
        """Value of a property; None where there is none."""
        return json.loads(self._answer("GET", f"/json{quote(path)}")).get("value")

    def set(self, values: Mapping[str, Value]) -> None:
        """Set properties, all of them before the next frame is drawn."""
        self._answer("POST", "/json/", json.dumps(property_tree(values)))

    def run(self, script: str) -> None:
        """Run a Nasal script."""
        arguments = {"name": "", "children": [{"name": "script", "value": script}]}
        self._answer("POST", "/run.cgi?value=nasal", json.dumps(arguments))

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def _answer(self, method: str, path: str, body: str | None = None) -> bytes:
        try:
            self.connection.request(method, path, body)
            response = self.connection.getresponse()
            answer = response.read()
        except TimeoutError as error:
            self.close()
            raise SimulatorFault(
                f"no answer on port {self.port} within {self.timeout_s:g} s: it hangs"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise SimulatorFault(f"the connection on port {self.port} broke ({error!r})") from error
        if response.status != 200:
            raise SimulatorFault(f"{method} {path}: status {response.status}: {answer[:200]!r}")
        return answer


def property_tree(values: Mapping[str, Value]) -> dict[str, Any]:
    """Nested nodes of property paths such as /a/b[1]/c."""
    root: dict[str, Any] = {"name": "", "children": []}
    for path, value in values.items():
        node = root
        for step in path.strip("/").split("/"):
            name, _, index = step.rstrip("]").partition("[")
            place = int(index or 0)
            children = node.setdefault("children", [])
            found = [c for c in children if (c["name"], c["index"]) == (name, place)]
            node = found[0] if found else {"name": name, "index": place}
            if not found:
                children.append(node)
        node["value"] = value
    return root
