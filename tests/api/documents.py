"""Whether the documents are what their standards say, by those standards' own schemas."""

import json
import pathlib
import urllib.request

import jsonschema
import openapi_spec_validator

from demo import Failed

ASYNCAPI_SCHEMA = pathlib.Path(
    __file__).with_name("node_modules") / "@asyncapi/specs/schemas/3.0.0.json"


def read(address, name):
    """A document of a service."""
    with urllib.request.urlopen(f"{address}/api/v1/{name}.json") as answer:
        return json.load(answer)


def check(address):
    """Raises an error if one of the documents at this address is not valid."""
    openapi = read(address, "openapi")
    openapi_spec_validator.validate(openapi)
    schemas = openapi["components"]["schemas"]
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(json.loads(ASYNCAPI_SCHEMA.read_text()))
    errors = [f"{error.json_path}: {error.message[:300]}"
              for error in validator.iter_errors(read(address, "asyncapi"))]
    if errors:
        raise Failed("the AsyncAPI document is not valid:\n" + "\n".join(errors))
    check_examples(openapi)


def check_examples(openapi):
    """Every example of a JSON body fits the schema beside it."""
    for path, item in openapi["paths"].items():
        for method, operation in item.items():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for body in bodies:
                for kind, content in body.get("content", {}).items():
                    examples = [example["value"] for example in content.get("examples", {}).values()]
                    examples += [content["example"]] if "example" in content else []
                    for example in examples:
                        if kind.endswith("json"):
                            fits(openapi, content["schema"], example, f"{method} {path}")


def fits(document, schema, value, place):
    """Raises an error if the value does not fit a schema of the document."""
    # The document is the root, so that references in its schemas are found.
    whole = {**schema, "components": document.get("components", {})}
    validator = jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker())
    errors = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]
    if errors:
        raise Failed(f"{place}: {json.dumps(value)[:300]} does not fit:\n" + "\n".join(errors))
