"""A server of MCP that FastMCP makes, with one tool, for benches/mcp.rs. It answers each request by itself and in JSON, which is the
fastest it does.

Use: fastmcp_server.py PORT
"""

import sys

from fastmcp import FastMCP

server = FastMCP("floor")


@server.tool
def sum(terms: list[float]) -> dict:
    """Adds numbers."""
    total = 0.0
    for term in terms:
        total += term
    return {"sum": total}


options = {"show_banner": False, "log_level": "error", "json_response": True, "stateless_http": True}
server.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), **options)
