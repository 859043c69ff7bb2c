"""``activator completion``: the script by which a shell completes words."""

import click

SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print the script that completes words in bash, zsh or fish.")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script that completes words in bash, zsh or fish.

    It completes commands, options, specs, and directives with their meaning.

    \b
    For you alone, from the next shell on; zsh wants ~/.zfunc in its fpath:
      cd ~/.local/share/bash-completion/completions/
      activator completion bash >activator
      activator completion zsh >~/.zfunc/_activator
      activator completion fish >~/.config/fish/completions/activator.fish
    For this shell alone:
      source <(activator completion bash)
    """  # noqa: D301 - click wants the character itself
    from activator.cli import activator
    from activator.cli.shells import script

    click.echo(script(shell, activator), nl=False)
