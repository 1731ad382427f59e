"""An agent whose tool is a tactic on another machine, found by its ref.

`python remote_tool.py [CITY]` serves a weather tactic on a port of its own and lets an agent ask it. The agent knows
the tactic by its `psi://` ref; the model is told the schema that the service tells. No model is asked unless
LLLM_MODEL names one, such as `openai:gpt-5`.
"""

import os
import sys

from pydantic import BaseModel, Field
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel
from serving import served

from lllm import PydanticAITactic, Tactic, TacticResolver
from lllm_runtime_pydantic_ai import TacticToolset

REF = "psi://demo/weather/tactics/forecast"


class Place(BaseModel):
    city: str = Field(description="Name of the city.")


class Forecast(BaseModel):
    text: str
    degrees: int


class Weather(Tactic[Place, Forecast]):
    """Say what the weather will be."""

    name = "forecast"

    def _run(self, input_value, *, context=None):
        return Forecast(text=f"Sun over {input_value.city}", degrees=21)


def scripted(messages, info) -> ModelResponse:
    """Ask the tool for the city of the question, then tell what it said."""
    if len(messages) == 1:
        (tool,) = info.function_tools
        print("tool", tool.name, sorted(tool.parameters_json_schema["properties"]))
        city = messages[0].parts[-1].content.rpartition(" ")[2].rstrip("?")
        return ModelResponse([ToolCallPart(tool.name, {"city": city})])
    forecast = messages[-1].parts[-1].content
    return ModelResponse([TextPart(f"{forecast['text']}, {forecast['degrees']} degrees.")])


def main(city: str = "Ulm") -> None:
    """Serve the weather, ask the agent about it, and show who was called."""
    with served(Weather()) as url:
        resolver = TacticResolver()
        resolver.bind_url(REF, url)
        toolset = TacticToolset([REF], resolver=resolver, parameter_mode="kwargs")
        agent = Agent(
            os.environ.get("LLLM_MODEL") or FunctionModel(scripted), name="guide", toolsets=[toolset]
        )
        session = PydanticAITactic(agent).run(f"What will it be like in {city}?", return_session=True)
    print(session.delivery)
    print("below the agent:", ", ".join(session.sub_tactic_sessions))


if __name__ == "__main__":
    main(*sys.argv[1:2])
