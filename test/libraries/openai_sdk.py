"""OpenAI's package for Python, configured by what `zai2api env openai` prints."""

import json

from openai import BadRequestError, OpenAI

client = OpenAI(max_retries=0)
question = [{"role": "user", "content": "什么是机器学习？"}]

reply = client.chat.completions.create(model="GLM-4.5-Thinking", messages=question)
assert "什么是机器学习？" in reply.choices[0].message.content
assert reply.choices[0].message.reasoning_content
assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens

answer = ""
thinking = ""
for chunk in client.chat.completions.create(model="GLM-4.5-Thinking", messages=question, stream=True):
    delta = chunk.choices[0].delta
    answer += delta.content or ""
    thinking += getattr(delta, "reasoning_content", None) or ""
assert answer == reply.choices[0].message.content, answer
assert thinking

tools = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "获取天气信息",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
asked = [{"role": "user", "content": '[tool:get_weather {"city":"北京"}] 北京天气怎么样？'}]
message = client.chat.completions.create(model="GLM-4.5", messages=asked, tools=tools).choices[0].message
assert json.loads(message.tool_calls[0].function.arguments) == {"city": "北京"}
asked += [message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "晴，3 °C"}]
assert "晴，3 °C" in client.chat.completions.create(model="GLM-4.5", messages=asked, tools=tools).choices[0].message.content

response = client.responses.create(model="GLM-4.5", input="Hello there")
assert "Hello there" in response.output_text
with client.responses.stream(model="GLM-4.5", input="Hello there", previous_response_id=response.id) as stream:
    assert stream.get_final_response().status == "completed"

vectors = client.embeddings.create(model="embedding-3", input=["one", "two"])
assert len(vectors.data) == 2 and all(len(row.embedding) > 0 for row in vectors.data)

assert any(model.id == "GLM-4.5" for model in client.models.list())

try:
    client.chat.completions.create(model="GLM-4.5", messages=[])
    raise AssertionError("an empty conversation was taken")
except BadRequestError as error:
    assert error.param == "messages", error.param
print("ok")
