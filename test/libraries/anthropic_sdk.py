"""Anthropic's package for Python, configured by what `zai2api env anthropic` prints."""

from anthropic import Anthropic

client = Anthropic(max_retries=0)
question = [{"role": "user", "content": "[think] 你好，介绍一下 Python"}]

thinking = {"type": "enabled", "budget_tokens": 1024}
reply = client.messages.create(model="GLM-4.5", max_tokens=2048, thinking=thinking, messages=question)
kinds = [block.type for block in reply.content]
assert kinds == ["thinking", "text"], kinds
assert "Python" in reply.content[1].text
assert reply.stop_reason == "end_turn"

# What the model thought goes back as it came.
again = [*question, {"role": "assistant", "content": reply.content}, {"role": "user", "content": "And Ruby?"}]
with client.messages.stream(model="GLM-4.5", max_tokens=2048, thinking=thinking, messages=again) as stream:
    assert "Ruby" in "".join(stream.text_stream)
    assert stream.get_final_message().usage.output_tokens > 0

tools = [
    {
        "name": "get_weather",
        "description": "Weather of a city",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]
asked = [{"role": "user", "content": '[tool:get_weather {"city":"Oslo"}] What is the weather?'}]
reply = client.messages.create(model="GLM-4.5", max_tokens=1024, messages=asked, tools=tools)
call = next(block for block in reply.content if block.type == "tool_use")
assert (call.name, call.input) == ("get_weather", {"city": "Oslo"})
assert reply.stop_reason == "tool_use"

assert client.messages.count_tokens(model="GLM-4.5", messages=asked).input_tokens > 0
assert len(client.models.list(limit=1000).data) > 0
print("ok")
