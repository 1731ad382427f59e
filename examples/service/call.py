"""Call the headline tactic where it is served: `python call.py URL TEXT`."""

import sys

from lllm import CallContext, RemoteTactic, SchemaError


def main(url: str, text: str) -> None:
    """Print a headline, its words as they come, and what a caller is told about a bad input."""
    with RemoteTactic(url) as headline:
        print(headline.fetch_info().description)
        print(headline.run({"text": text}, context=CallContext(caller="call.py").limit(10))["title"])
        for chunk in headline.stream({"text": text}):
            print("...", chunk)
        try:
            headline.run({"text": ""})
        except SchemaError as error:
            print(f"{error.status_code} {error.error_type} from {error.tactic!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
