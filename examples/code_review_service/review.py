"""Review a diff from standard input, without a service: `git diff | python review.py`."""

import sys

from tactics.code_review import ReviewRequest, build_code_review

EXAMPLE = """\
--- a/mean.py
+++ b/mean.py
@@ -1,2 +1,2 @@
 def mean(items):
-    return 0
+    return sum(items) / len(items)
"""


def main() -> None:
    diff = EXAMPLE if sys.stdin.isatty() else sys.stdin.read()
    session = build_code_review()(ReviewRequest(diff=diff or EXAMPLE), return_session=True)
    print(session.delivery.model_dump_json(indent=2))
    print(f"${session.total_cost.cost:.4f}", file=sys.stderr)


if __name__ == "__main__":
    main()
