"""Ours read by WebCrypto of Node.js, as Temporal's TypeScript sample uses it, and the other way round."""

import json
import subprocess
from base64 import b64decode, b64encode

from playwright._impl._driver import compute_driver_executable
from temporalio.api.common.v1 import Payload

from trenova.codec.encryption import Encryption
from trenova.keys.key import Key
from trenova.keys.keyring import Keyring

NODE = compute_driver_executable()[0]  # the Node.js that Playwright brings
SCRIPT = """
const { webcrypto } = require('node:crypto');
(async () => {
  const { key, opened, sealed } = JSON.parse(require('node:fs').readFileSync(0));
  const bytes = (text) => Buffer.from(text, 'base64');
  const secret = await webcrypto.subtle.importKey('raw', bytes(key), 'AES-GCM', true, ['encrypt', 'decrypt']);
  const data = bytes(sealed);
  const iv = data.subarray(0, 12);
  const plain = await webcrypto.subtle.decrypt({ name: 'AES-GCM', iv, tagLength: 128 }, secret, data.subarray(12));
  const again = Buffer.from(
    await webcrypto.subtle.encrypt({ name: 'AES-GCM', iv: Buffer.alloc(12, 7) }, secret, bytes(opened)));
  console.log(JSON.stringify({
    plain: Buffer.from(plain).toString('base64'),
    sealed: Buffer.concat([Buffer.alloc(12, 7), again]).toString('base64'),
  }));
})();
"""


def test_node_decrypts_our_payloads_and_we_decrypt_those_of_node() -> None:
    key = Key(id="test-key-id", secret=b"test-key-test-key-test-key-test!", form="raw32", source="test")
    encryption = Encryption(Keyring(keys={key.id: key}, encrypting_id=key.id))
    inner = Payload(metadata={"encoding": b"json/plain"}, data=b'{"a":1}')
    ours = encryption.wrap(inner)
    question = {
        "key": b64encode(key.secret).decode(),
        "sealed": b64encode(ours.data).decode(),
        "opened": b64encode(inner.SerializeToString()).decode(),
    }
    done = subprocess.run([NODE, "-e", SCRIPT], input=json.dumps(question).encode(), capture_output=True, check=True)
    answer = json.loads(done.stdout)
    assert Payload.FromString(b64decode(answer["plain"])) == inner
    assert encryption.unwrap(Payload(metadata=ours.metadata, data=b64decode(answer["sealed"]))) == inner
