"""Google's package for Python."""

import os

from google import genai
from google.genai import types

client = genai.Client(
    api_key="anything", http_options=types.HttpOptions(base_url=os.environ["GATEWAY"], api_version="v1beta")
)
config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))

reply = client.models.generate_content(model="GLM-4.5", contents="[think] Hello there", config=config)
assert "Hello there" in reply.text
assert any(part.thought for part in reply.candidates[0].content.parts)

streamed = client.models.generate_content_stream(model="GLM-4.5", contents="Hello there")
assert "Hello there" in "".join(chunk.text or "" for chunk in streamed)

chat = client.chats.create(model="GLM-4.5")
chat.send_message("[think] Hello there")
assert "once more" in chat.send_message("Say it once more").text

assert client.models.count_tokens(model="GLM-4.5", contents="Hello there").total_tokens > 0
print("ok")
