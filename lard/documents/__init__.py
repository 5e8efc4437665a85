"""Text, JSON and YAML that others wrote: bounded, of any Unicode encoding, only finite numbers, as declared.

Whatever is wrong becomes one line of the error class asked for: file, line, what was found, remedy.
"""

from lard.documents.json import DEPTH_LIMIT, parse_json, read_json
from lard.documents.model import checked
from lard.documents.numbers import number_of
from lard.documents.text import (
    OLD_BYTES,
    decode_text,
    encoding_of,
    first_line,
    read_bytes,
    read_head,
    read_text,
)
from lard.documents.yaml import SETTINGS_LIMIT_BYTES, YAML_LIMIT_BYTES, read_yaml, yaml_nodes, yaml_value

__all__ = [
    "DEPTH_LIMIT", "OLD_BYTES", "SETTINGS_LIMIT_BYTES", "YAML_LIMIT_BYTES", "checked", "decode_text",
    "encoding_of", "first_line", "number_of", "parse_json", "read_bytes", "read_head", "read_json",
    "read_text", "read_yaml", "yaml_nodes", "yaml_value",
]  # fmt: skip
