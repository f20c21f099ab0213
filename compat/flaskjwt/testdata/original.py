"""The API of the cases "flask-jwt", on the original library, to check that the cases are right.

    python3 original.py SECRET_FILE USERNAME PASSWORD

prints the port that it listens on. It needs Flask, Flask-JWT 0.3.2 and PyJWT 1.4, which Flask-JWT
requires. These libraries import names from modules where later versions of Python and Flask do not
have them, so the script puts the names there first.
"""
import collections
import collections.abc
import sys

import flask
from flask.globals import request_ctx
from werkzeug.exceptions import BadRequest
from werkzeug.serving import make_server


class Stack:
    top = request_ctx


if not hasattr(collections, "Mapping"):
    collections.Mapping = collections.abc.Mapping
if not hasattr(flask, "_request_ctx_stack"):
    flask._request_ctx_stack = Stack()

from flask_jwt import JWT, current_identity, jwt_required  # noqa: E402

if len(sys.argv) == 1:  # only to see whether all of it is there
    sys.exit()


class Request(flask.Request):
    def on_json_loading_failed(self, error):
        raise BadRequest()  # as Werkzeug 2.1 and 2.2 have it; later ones answer a form with 415


class User:
    id = 1


secret_file, username, password = sys.argv[1:]
app = flask.Flask(__name__)
app.request_class = Request
with open(secret_file) as f:
    app.config["SECRET_KEY"] = f.read().strip()
jwt = JWT(
    app,
    lambda name, word: User() if (name, word) == (username, password) else None,
    lambda claims: User() if claims["identity"] == 1 else None,
)


@app.get("/protected")
@jwt_required()
def protected():
    return flask.jsonify(id=current_identity.id)


server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
