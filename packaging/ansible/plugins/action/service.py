"""Carry the file of a spec from the controller to the host, and have the module read it there."""

from __future__ import annotations

import os

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Run the module, with ``src`` from the controller unless ``remote_src`` is set."""

    TRANSFERS_FILES = True

    def run(self, tmp=None, task_vars=None):
        """Return what the module does."""
        result = super().run(tmp, task_vars)
        arguments = self._task.args.copy()
        source = arguments.get("src")
        try:
            if source and not boolean(arguments.get("remote_src", False), strict=False):
                arguments["src"] = self._carried(source)
                arguments["remote_src"] = True
        except AnsibleError as error:
            return result | {"failed": True, "msg": str(error)}
        else:
            return result | self._execute_module(module_args=arguments, task_vars=task_vars)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _carried(self, source):
        path = self._loader.get_real_file(self._find_needle("files", source))
        if os.path.isdir(path):
            msg = f"src: {source} is a directory; name one spec"
            raise AnsibleError(msg)
        shell = self._connection._shell
        there = shell.join_path(shell.tmpdir, os.path.basename(source))
        self._transfer_file(path, there)
        self._fixup_perms2((shell.tmpdir, there))
        return there
