"""Reading our files by the classes that pyiso20022 made from the schemas: they share nothing with what wrote them."""

import importlib
from xml.etree import ElementTree

from xsdata.formats.dataclass.parsers import XmlParser
from xsdata.formats.dataclass.parsers.config import ParserConfig
from xsdata.formats.dataclass.serializers import XmlSerializer


def document(data, message):
    """Return `data` as a Document of `message` ("camt.055.001.08"); fail on what its schema does not know or order."""
    name = message.replace(".", "_")
    module = importlib.import_module(f"pyiso20022.{name[:4]}.{name}")
    found = XmlParser(config=ParserConfig(fail_on_unknown_properties=True)).from_bytes(data, module.Document)
    again = XmlSerializer().render(found)
    assert told(data) == told(again.encode()), "the schema's order is another"
    return found


def told(data):
    return [(one.tag, (one.text or "").strip(), dict(one.attrib)) for one in ElementTree.fromstring(data).iter()]
