import json

import pytest

from endofm.engine.environment import describe_environment


def test_the_environment_is_json_and_names_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/x/endofm/__main__.py", "pretrain", "--seed", "1"])
    facts = json.loads(json.dumps(describe_environment()))
    assert facts["command"] == ["endofm", "pretrain", "--seed", "1"]
    assert all(facts["packages"][name] != "absent" for name in ("torch", "accelerate", "av"))
    monkeypatch.setattr("sys.argv", ["train.py"])
    assert describe_environment()["command"] == ["train.py"]
